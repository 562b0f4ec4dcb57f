//! Events as text, in the output format of `read` and `live`.

use std::io::{self, IsTerminal as _};

use scap_capture_format::schema::{Arch, Category, EventTypeFlags};

use super::diagnostic;
use super::error::CliError;
use crate::event::bytes::BufferFormat;
use crate::event::text;
use crate::event::{Event, EventExt as _};
use crate::fields::{Context, Field, Session, TimeFormat};
use crate::format::{LineFormat, LineOptions, Template, standard};

/// How events are printed.
#[derive(Debug, clap::Args)]
pub(super) struct PrintArgs {
    /// Stop after this many events
    #[arg(short = 'n', long = "count", value_name = "COUNT")]
    pub(super) count: Option<u64>,

    /// Show whole buffers, and print the number of events at the end
    #[arg(short, long)]
    pub(super) verbose: bool,

    /// Show the time as: h local time of day, i local date and time with zone (ISO 8601), a seconds since the epoch, r seconds since the first event,
    /// d duration of the call in seconds, D seconds since the previous event
    #[arg(
        short = 't',
        long = "time-format",
        value_name = "FORMAT",
        default_value = "h"
    )]
    time: Time,

    /// Print these fields: text with `%field` in it, as in sysdig and Falco. With a leading `*`
    /// absent fields print `<NA>`; without it, events that lack a field are not printed. `c` and
    /// `k` stand for sysdig's formats with containers and with pods
    #[arg(short = 'p', long = "print", value_name = "FORMAT")]
    format: Option<String>,

    /// Print JSON: one object per line and event, with the fields of the format
    #[arg(short, long)]
    json: bool,

    /// Show data in hexadecimal
    #[arg(short = 'x', long = "hex", group = "buffers")]
    hex: bool,

    /// Show data in hexadecimal and as text
    #[arg(short = 'X', long = "hex-ascii", group = "buffers")]
    hex_ascii: bool,

    /// Show data as text with its line breaks
    #[arg(short = 'A', long = "ascii", group = "buffers")]
    ascii: bool,

    /// Show data in base64
    #[arg(short = 'b', long = "base64", group = "buffers")]
    base64: bool,

    /// End each line with the duration of the call, in seconds, and what it waited for
    #[arg(short = 'T', long)]
    latency: bool,

    /// Colour lines by event: failed calls, started programs, network, changed files
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

/// Values of `-t`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Time {
    #[value(name = "h")]
    Human,
    #[value(name = "i", alias = "iso")]
    Iso,
    #[value(name = "a")]
    Absolute,
    #[value(name = "r")]
    Relative,
    #[value(name = "d")]
    Delta,
    #[value(name = "D")]
    DeltaPrevious,
}

impl From<Time> for TimeFormat {
    fn from(time: Time) -> Self {
        match time {
            Time::Human => Self::Human,
            Time::Iso => Self::Iso,
            Time::Absolute => Self::Absolute,
            Time::Relative => Self::Relative,
            Time::Delta => Self::Delta,
            Time::DeltaPrevious => Self::DeltaPrevious,
        }
    }
}

/// Values of `--color`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ColorChoice {
    /// If standard output is a terminal and NO_COLOR is not set
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    fn is_on(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
                !refused && io::stdout().is_terminal()
            }
        }
    }
}

impl PrintArgs {
    /// Returns how data is shown.
    pub(super) fn buffers(&self) -> BufferFormat {
        if self.hex {
            BufferFormat::Hex
        } else if self.hex_ascii {
            BufferFormat::HexAscii
        } else if self.ascii {
            BufferFormat::Ascii
        } else if self.base64 {
            BufferFormat::Base64
        } else if self.verbose || self.json {
            BufferFormat::AllDots
        } else {
            BufferFormat::Dots
        }
    }

    /// Returns how data is shown, if an option says so.
    pub(super) fn chosen_buffers(&self) -> Option<BufferFormat> {
        let chosen = self.hex || self.hex_ascii || self.ascii || self.base64;
        chosen.then(|| self.buffers())
    }

    /// Returns true if the format shows containers or pods (`-pc`, `-pk`).
    pub(super) fn shows_containers(&self) -> bool {
        matches!(
            self.format.as_deref(),
            Some("c" | "container" | "k" | "kubernetes" | "m" | "mesos")
        )
    }

    /// Returns true if a line depends on the one before it.
    pub(super) fn depends_on_previous(&self) -> bool {
        matches!(self.time, Time::DeltaPrevious)
    }

    /// Returns true for JSON output.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Makes a session that shows data in this way.
    pub(super) fn session_with(&self, buffers: BufferFormat) -> Session {
        Session::new(None, buffers, self.time.into())
    }

    /// Makes a session for events of a machine of this architecture.
    pub(super) fn session(&self, arch: Option<Arch>) -> Session {
        Session::new(arch, self.buffers(), self.time.into())
    }
}

/// Prints events in the selected output format.
pub(super) struct Printer {
    form: Form,
    buffers: BufferFormat,
    colors: bool,
}

enum Form {
    /// The default line.
    Line(Box<LineFormat>),
    /// A format given by the user.
    Template(Template),
    /// JSON objects.
    Json(Template),
}

impl Printer {
    pub(super) fn new(args: &PrintArgs, arch: Option<Arch>) -> Result<Self, CliError> {
        let buffers = args.buffers();
        let format = match args.format.as_deref() {
            None if args.json => Some(standard::DEFAULT),
            None => None,
            Some("c" | "container") => Some(standard::CONTAINER),
            Some("k" | "kubernetes") => Some(standard::KUBERNETES),
            Some(own) => Some(own),
        };
        let form = match format {
            None => Form::Line(Box::new(LineFormat::new(
                LineOptions {
                    time: args.time.into(),
                    buffers,
                    latency: args.latency,
                },
                arch,
            ))),
            Some(text) => {
                // As in sysdig, so that a format can be written without the shell's help.
                let text = &*printable(&text.replace("\\n", "\n").replace("\\t", "\t"));
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

    /// Returns true if the format may use the sessions of `kubectl exec`, which have to be found first.
    pub(super) fn needs_sessions(&self) -> bool {
        self.any_field(Field::needs_sessions)
    }

    /// Returns true if this is true for a field of a format with fields.
    pub(super) fn any_field(&self, test: impl Fn(&Field) -> bool) -> bool {
        match &self.form {
            Form::Line(_) => false,
            Form::Template(template) | Form::Json(template) => template.any_field(test),
        }
    }

    /// Appends the line of an event; nothing if a field that the format requires is absent.
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

/// Returns the colour of an event; the first rule that matches decides.
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

/// Escapes the control characters of a format, except line breaks and tabs: the shell can have made an
/// argument of the name of a file.
fn printable(format: &str) -> String {
    let mut out = Vec::with_capacity(format.len());
    for part in format.split_inclusive(['\n', '\t']) {
        let content = part.strip_suffix(['\n', '\t']).unwrap_or(part);
        text::escape(&mut out, content.as_bytes());
        out.extend_from_slice(&part.as_bytes()[content.len()..]);
    }
    // Escaping UTF-8 yields UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}
