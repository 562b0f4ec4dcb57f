//! Saves the displayed events: as capture, text or JSON.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scap_capture_format::native::Derivation;

use crate::event::bytes::BufferFormat;
use crate::event::number::plural;
use crate::export::{self, NativeSink};
use crate::fields::{Context, Session, TimeFormat};
use crate::files;
use crate::filter::{Filter, When};
use crate::format::{LineFormat, LineOptions, Template, standard};
use crate::replay::IndexedCapture;
use crate::replay::Scope;
use crate::replay::indexed::is_shown;
use crate::replay::{
    self, EventSink, EventSource as _, Extent, NativeSource, Pipeline, Plan, ReplayError, Selection,
};

/// The files that a capture is, or was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parents {
    pub(crate) files: Arc<[PathBuf]>,
    /// They are still being recorded.
    pub(crate) are_growing: bool,
}

impl Parents {
    /// Describes a capture that is made from them. A file that still grows has no hash that proves anything.
    fn derivation(&self, options: &[(&str, Option<&str>)]) -> io::Result<Derivation> {
        let parents = self.files.iter().map(|file| {
            let identity = match self.are_growing {
                true => None,
                false => export::file_identity(file)?,
            };
            Ok(export::parent(file, identity))
        });
        let parents = parents.collect::<io::Result<_>>()?;
        Ok(export::derivation("view", options, parents))
    }
}

/// Saves the scope's events to a new file, in the format of its extension. Returns the status
/// message.
pub(super) fn save(
    capture: &IndexedCapture,
    scope: &Scope,
    parents: &Parents,
    path: &Path,
) -> Result<String, String> {
    let name = path.display().to_string();
    let kind = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    let form = match kind {
        "scap" => None,
        "json" | "jsonl" => Some(true),
        "txt" | "log" => Some(false),
        _ => {
            return Err(format!(
                "{name}: the extension has to be .scap, .txt or .json"
            ));
        }
    };
    let out = create(path)?;
    let written = match form {
        None => write_capture(capture, scope, parents, out),
        Some(json) => lines(capture, scope, out, json),
    };
    match written {
        Ok(events) => Ok(format!("{events} {} in {name}", plural(events, "event"))),
        Err(error) => {
            // A partial file would look complete.
            drop(std::fs::remove_file(path));
            Err(format!("cannot save: {error}"))
        }
    }
}

/// Creates a file that must not exist.
fn create(path: &Path) -> Result<File, String> {
    files::create_new(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} already exists; choose another name", path.display())
        }
        _ => format!("cannot write {}: {error}", path.display()),
    })
}

/// Saves a text, with a line feed at its end, to a new file. Returns the status message.
pub(super) fn save_text(text: &str, path: &Path) -> Result<String, String> {
    if path.extension().is_none_or(|extension| extension != "txt") {
        return Err(format!("{}: the extension has to be .txt", path.display()));
    }
    let mut out = create(path)?;
    match writeln!(out, "{text}") {
        Ok(()) => {
            let written = text.len() + 1;
            let bytes = plural(written as u64, "byte");
            Ok(format!("{written} {bytes} in {}", path.display()))
        }
        Err(error) => {
            // A partial file would look complete.
            drop(std::fs::remove_file(path));
            Err(format!("cannot save: {error}"))
        }
    }
}

/// Opens a capture at the start of the scope; returns the source, the selection and the header.
fn source(
    capture: &IndexedCapture,
    scope: &Scope,
) -> Result<(NativeSource<File>, Session, Selection), ReplayError> {
    let from = When::At(scope.span.from);
    let open = || File::open(capture.path()).map_err(|e| ReplayError::Read(e.into()));
    let mut source = NativeSource::new(open()?)?;
    source.preload_containers(open()?)?;
    let arch = replay::arch(source.header());
    let mut session = Session::new(arch, BufferFormat::Dots, TimeFormat::Human);
    session.first_time = capture.first_time();
    let filter = match scope.filter.as_str() {
        "" => None,
        text => Filter::parse(text).ok(),
    };
    let selection = Selection {
        filter,
        from: Some(from),
        to: Some(When::At(scope.span.to)),
    };
    if let Some(plan) = Plan::new(open()?, Extent::All(Some(from)))? {
        source.set_plan(plan);
    }
    Ok((source, session, selection))
}

fn write_capture(
    capture: &IndexedCapture,
    scope: &Scope,
    parents: &Parents,
    out: File,
) -> Result<u64, ReplayError> {
    let (mut source, session, selection) = source(capture, scope)?;
    let out = BufWriter::with_capacity(1 << 20, out);
    let mut sink = NativeSink::new(out, source.header(), source.origins(), u64::MAX);
    let from = crate::event::time::iso8601(scope.span.from, 0);
    let to = crate::event::time::iso8601(scope.span.to, 0);
    let notes = [
        (
            "filter",
            Some(scope.filter.as_str()).filter(|text| !text.is_empty()),
        ),
        ("from", Some(from.as_str())),
        ("to", Some(to.as_str())),
    ];
    let derivation = parents.derivation(&notes);
    sink.set_derivation(derivation.map_err(|error| ReplayError::Read(error.into()))?);
    for (name, value) in notes {
        if let Some(value) = value {
            sink.note(name, value);
        }
    }
    let mut pipeline = Pipeline::new(session, source.origins(), selection);
    pipeline.run(&mut source, &mut sink)?;
    let (shown, _) = sink.counts();
    let (mut out, _) = sink.finish().map_err(ReplayError::Sink)?;
    out.flush().map_err(ReplayError::Sink)?;
    Ok(shown)
}

/// Writes a line for each event.
struct Lines {
    out: BufWriter<File>,
    line: LineFormat,
    json: Option<Template>,
    buffer: Vec<u8>,
    count: u64,
}

impl EventSink for Lines {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if is_shown(cx.event) {
            self.buffer.clear();
            match &mut self.json {
                Some(template) => {
                    template.write_json(&mut self.buffer, cx, BufferFormat::Dots);
                    self.buffer.push(b'\n');
                }
                None => self.line.line(&mut self.buffer, cx.event, cx.view),
            }
            self.out.write_all(&self.buffer)?;
            self.count += 1;
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn lines(
    capture: &IndexedCapture,
    scope: &Scope,
    out: File,
    json: bool,
) -> Result<u64, ReplayError> {
    let (mut source, session, selection) = source(capture, scope)?;
    let arch = replay::arch(source.header());
    // The default format is valid.
    let template = Template::new(standard::DEFAULT).ok();
    let mut sink = Lines {
        out: BufWriter::with_capacity(1 << 20, out),
        line: LineFormat::new(LineOptions::default(), arch),
        json: template.filter(|_| json),
        buffer: Vec::new(),
        count: 0,
    };
    let mut pipeline = Pipeline::new(session, source.origins(), selection);
    pipeline.run(&mut source, &mut sink)?;
    sink.out.flush().map_err(ReplayError::Sink)?;
    Ok(sink.count)
}
