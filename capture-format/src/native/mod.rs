//! scap's own capture format, versions 1 and 2. The bytes are specified in `docs/capture-format.md`.
//!
//! A file is a 16-byte preamble and a sequence of sections, each with a checksummed header and a checksummed body
//! that can be decoded without the others (events need no other chunk, a snapshot no earlier one). It is only
//! ever appended to. An index at the end has the positions of all sections; if it is missing (a killed recorder, a
//! pipe, a copy in progress), the section headers are walked instead, and if a header is damaged, the next one is found
//! by its marker.
//!
//! ```
//! use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
//! use scap_capture_format::native::*;
//! use scap_capture_format::schema::types;
//!
//! # fn main() -> scap_capture_format::Result<()> {
//! let header = Header { schema: SchemaDescription::full(), ..Header::default() };
//! let mut writer = CaptureWriter::new(Vec::new(), &header, WriterOptions::default())?;
//! let (lens, bytes) = ([8, 8], [0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
//! writer.push(&EventRef {
//!     num: EventNum(0),
//!     ts: Timestamp(1_767_225_600_000_000_000),
//!     tid: Tid(42),
//!     pid: Pid(42),
//!     cpu: 0,
//!     ty: types::SYSCALL_CLOSE_X,
//!     latency: Some(250),
//!     flags: EventFlags::empty(),
//!     params: Params::new(&lens, &bytes).unwrap_or(Params::EMPTY),
//! })?;
//! let file = writer.finish()?;
//!
//! let mut reader = CaptureReader::new(file.as_slice())?;
//! let mut decoder = ChunkDecoder::new();
//! while let Some(chunk) = reader.next_chunk()? {
//!     let mut rows = chunk.decode(&mut decoder, Load::ALL)?;
//!     while let Some(event) = rows.next()? {
//!         assert_eq!((event.num, event.tid), (EventNum(1), Tid(42)));
//!         assert_eq!(event.params.get(1), Some(&[3, 0, 0, 0, 0, 0, 0, 0][..]));
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | contents |
//! | --- | --- |
//! | [`section`] | preamble and section headers |
//! | [`chunk`] | events: builder, compression, decoder |
//! | [`header`] | machine, recorder options, schema |
//! | [`snapshot`] | state at one time |
//! | [`loss`] | lost events |
//! | [`containers`] | descriptions of containers |
//! | [`derivation`] | what the capture was made from |
//! | [`index`] | positions of all sections |
//! | [`writer`], [`reader`], [`indexed`] | whole files |
//! | [`ahead`] | containers sections, before the first event |
//! | [`seal`] | signatures over a file |
//! | [`time_stamp`] | somebody else's word for the time of a seal |
//! | [`repair`] | what is left of a damaged file |
//! | [`codec`] | encoding of metadata |

pub mod ahead;
pub mod chunk;
pub mod codec;
pub mod containers;
pub mod derivation;
pub mod header;
pub mod index;
pub mod indexed;
pub mod lane;
pub mod loss;
pub mod names;
pub mod origin;
pub mod reader;
pub mod repair;
pub mod seal;
pub mod section;
pub mod snapshot;
pub mod time_stamp;
pub(crate) mod varint;
mod walk;
pub mod writer;

pub use ahead::{ContainerPreload, Outline};
pub use chunk::{
    CallCodes, Chunk, ChunkActivity, ChunkBuilder, ChunkDecoder, ChunkNames, ChunkPool,
    ChunkSummary, Compressor, EncodedChunk, EventNames, Load, NameKind, Names, Objects, RawChunk,
    Rows, UntypedCalls, Want,
};
pub use containers::{ContainerDescription, ContainerReport};
pub use derivation::{Derivation, FileIdentity, Parent};
pub use header::{Header, MachineInfo, SchemaDescription};
pub use index::{ChunkEntry, Index};
pub use indexed::IndexedReader;
pub use lane::{LANES, Lane, LaneSet};
pub use loss::{Loss, LossCause, LossReport};
pub use names::{NameReport, RunNames};
pub use origin::{Origin, OriginId};
pub use reader::{CaptureReader, Damage, Damages, Item};
pub use repair::{Repaired, repair};
pub use seal::{Seal, SealCheck, SealedBy, Signer, append_time_stamp, check_seals, seal_file};
pub use snapshot::Snapshot;
pub use time_stamp::TimeStamp;
pub use writer::{CaptureWriter, WriterOptions};

/// A list of values that a later version may add to a structure: number and bytes.
///
/// bincode writes fields by position, so nothing may ever be inserted into an encoded structure. Later additions are stored
/// here, under a new number that older readers skip.
pub type Extra = Vec<(u32, Vec<u8>)>;
