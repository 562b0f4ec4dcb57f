//! Verifies the parts of chunks that a replay does not load.
//!
//! A sink that uses few parts of the events is fast because the rest is not decompressed. Whether a capture is intact must not
//! depend on that, so another thread decodes the whole chunks meanwhile.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use scap_capture_format::Result;
use scap_capture_format::native::{Chunk, ChunkDecoder, Damages};

/// Verifies chunks on a thread of its own.
pub(super) struct RestVerifier {
    send: SyncSender<Box<Chunk>>,
    thread: JoinHandle<Result<Damages>>,
}

impl RestVerifier {
    /// Starts the thread.
    pub(super) fn new() -> io::Result<Self> {
        // One chunk waits and one is decoded, so that memory is bounded.
        let (send, chunks) = sync_channel::<Box<Chunk>>(1);
        let run = move || {
            let mut decoder = ChunkDecoder::new();
            let mut damages = Damages::default();
            for chunk in chunks {
                if let (_, Some(error)) = chunk.verify(&mut decoder) {
                    damages.note(error, chunk.offset())?;
                }
            }
            Ok(damages)
        };
        let thread = Builder::new().name("scap-verify".to_owned()).spawn(run)?;
        Ok(Self { send, thread })
    }

    /// Verifies a chunk; waits while others are verified.
    pub(super) fn verify(&self, chunk: Box<Chunk>) {
        // The thread ends early only with an error, which `finish` returns.
        let _sent = self.send.send(chunk);
    }

    /// Waits for the last chunk, and returns what is damaged.
    pub(super) fn finish(self) -> Result<Damages> {
        drop(self.send);
        let crashed = |_| Err(io::Error::other("the verification crashed").into());
        self.thread.join().unwrap_or_else(crashed)
    }
}
