//! Events as text.

use scap_capture_format::schema::{Arch, Category, EventTypeFlags, SourceCategory};

use super::Args;
use crate::cli::diagnostic;
use crate::cli::error::CliError;
use crate::event::bytes::BufferFormat;
use crate::event::{Event, EventExt as _};
use crate::filter::fields::Context;
use crate::format::{LineFormat, LineOptions, Template, standard};

/// Whether the event is the recorder's own bookkeeping, which sysdig numbers and does not show either.
pub(in crate::cli) fn is_internal(event: &Event<'_>) -> bool {
    event
        .info()
        .is_some_and(|i| i.source_category.contains(SourceCategory::INTERNAL))
}

/// Prints events in the form that was asked for.
pub(in crate::cli) struct Printer {
    form: Form,
    buffers: BufferFormat,
    colors: bool,
}

enum Form {
    /// The default line.
    Line(LineFormat),
    /// A format of the user's.
    Template(Template),
    /// JSON objects.
    Json(Template),
}

impl Printer {
    pub(super) fn new(args: &Args, arch: Option<Arch>) -> Result<Self, CliError> {
        let buffers = args.buffers();
        let format = match args.format.as_deref() {
            None if args.json => Some(standard::DEFAULT),
            None => None,
            Some("c" | "container") => Some(standard::CONTAINER),
            Some("k" | "kubernetes") => Some(standard::KUBERNETES),
            Some(own) => Some(own),
        };
        let form = match format {
            None => Form::Line(LineFormat::new(
                LineOptions {
                    time: args.time.into(),
                    buffers,
                    latency: args.latency,
                },
                arch,
            )),
            Some(text) => {
                let template =
                    Template::new(text).map_err(|e| diagnostic::template("format", text, &e))?;
                match args.json {
                    true => Form::Json(template),
                    false => Form::Template(template),
                }
            }
        };
        Ok(Self {
            form,
            buffers,
            colors: args.color.is_on() && !args.json,
        })
    }

    /// Appends an event's line; nothing if a field is absent that the format asks for.
    pub(super) fn print(&mut self, out: &mut Vec<u8>, cx: &Context<'_>) {
        let start = out.len();
        let color = if self.colors { color(cx.event) } else { None };
        out.extend_from_slice(color.unwrap_or_default().as_bytes());
        let written = match &mut self.form {
            Form::Line(format) => {
                format.line(out, cx.event, cx.view);
                out.pop();
                true
            }
            Form::Template(template) => template.write(out, cx, self.buffers),
            Form::Json(template) => template.write_json(out, cx, self.buffers),
        };
        if !written {
            out.truncate(start);
            return;
        }
        if color.is_some() {
            out.extend_from_slice(RESET.as_bytes());
        }
        out.push(b'\n');
    }
}

const RESET: &str = "\x1b[0m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";

/// The colour of what an event is about; the first that fits.
fn color(event: &Event<'_>) -> Option<&'static str> {
    let info = event.info()?;
    if event.result().is_some_and(|r| (-4095..0).contains(&r)) {
        return Some(RED);
    }
    match info.name {
        "execve" | "execveat" | "clone" | "clone3" | "fork" | "vfork" | "procexit" => {
            return Some(GREEN);
        }
        "unlink" | "unlinkat" | "rename" | "renameat" | "renameat2" | "chmod" | "fchmod"
        | "fchmodat" | "chown" | "fchown" | "lchown" | "fchownat" | "mkdir" | "mkdirat"
        | "rmdir" | "link" | "linkat" | "symlink" | "symlinkat" | "mount" | "umount"
        | "umount2" | "setuid" | "setresuid" | "setreuid" | "chroot" | "setns" | "unshare"
        | "ptrace" | "kill" | "tkill" | "tgkill" | "bpf" | "init_module" => return Some(YELLOW),
        _ => {}
    }
    if info.category == Category::Net {
        return Some(CYAN);
    }
    let is_io = EventTypeFlags::READS_FROM_FD | EventTypeFlags::WRITES_TO_FD;
    (event.ty.is_enter() && !info.flags.intersects(is_io)).then_some(DIM)
}
