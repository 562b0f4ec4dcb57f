//! Reads captures here, as `scap read` does.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use scap::event::bytes::BufferFormat;
use scap::fields::{Context, Session, TimeFormat};
use scap::format::Template;
use scap::replay::{EventSink, EventSource as _, SysdigSource, replay_all};

use crate::sysdig;

/// Sends a capture to a sink.
pub(crate) fn pass(dir: &Path, capture: &str, sink: &mut dyn EventSink) {
    let file = File::open(dir.join(format!("{capture}.scap"))).unwrap();
    let mut source = SysdigSource::new(file).unwrap();
    let arch = scap::replay::arch(source.header());
    let session = Session::new(arch, BufferFormat::Dots, TimeFormat::Human);
    replay_all(&mut source, session, sink).unwrap();
}

/// Returns what identifies an event, as [`sysdig::KEY`] prints it.
pub(crate) fn key(cx: &Context<'_>) -> String {
    let dir = if cx.event.ty.is_enter() { '>' } else { '<' };
    format!("{} {} {dir}", cx.event.ts.0, cx.event.tid.0)
}

/// Prints fields of the events that 0.29.3 shows, for [`sysdig::records`] to take apart. Returns also how
/// many there are of types that it does not know.
pub(crate) fn print(
    dir: &Path,
    capture: &str,
    names: &[&str],
    seen: &HashSet<&str>,
) -> (String, u64) {
    let mut sink = Values {
        template: Template::new(&sysdig::format(names)).unwrap(),
        seen,
        out: Vec::new(),
        passed_over: 0,
    };
    pass(dir, capture, &mut sink);
    (String::from_utf8(sink.out).unwrap(), sink.passed_over)
}

struct Values<'a> {
    template: Template,
    seen: &'a HashSet<&'a str>,
    out: Vec<u8>,
    passed_over: u64,
}

impl EventSink for Values<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if self.seen.contains(&*key(cx)) {
            self.template.write(&mut self.out, cx, BufferFormat::Dots);
            self.out.push(b'\n');
        } else if cx.event.ty.0 > sysdig::LAST_TYPE {
            self.passed_over += 1;
        }
        Ok(ControlFlow::Continue(()))
    }
}
