//! Sinks that write captures.

mod native;
mod sysdig;

pub use native::NativeSink;
pub use sysdig::SysdigSink;

use scap_capture_format::event::EventRef;

/// An event that is kept for a while; its buffers are used again.
#[derive(Debug, Default)]
struct Kept {
    ts: u64,
    cpu: u16,
    ty: u16,
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

impl Kept {
    fn set(&mut self, event: &EventRef<'_>) {
        self.ts = event.ts.0;
        self.cpu = event.cpu;
        self.ty = event.ty.0;
        self.lens.clear();
        self.bytes.clear();
        for (index, _) in event.params.lens().iter().enumerate() {
            let value = event.params.get(index).unwrap_or_default();
            self.lens.push(u32::try_from(value.len()).unwrap_or(0));
            self.bytes.extend_from_slice(value);
        }
    }
}
