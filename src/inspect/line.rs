//! An event as a line of the event list.

use scap_capture_format::schema::{SourceCategory, types};

use crate::audit::{self, summary};
use crate::event::{Event, EventExt as _, syscall, text};
use crate::fields::Context;
use crate::lanes::{self, Lane};

/// Length limit of the texts of a line, in characters.
pub const MAX_TEXT: usize = 1024;

/// Kinds of lines, for their colour; the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A call that failed.
    Failed,
    /// A process created, a program executed, a process ended.
    Process,
    /// A change of files, users or privileges.
    Change,
    /// Network.
    Network,
    /// An enter event.
    Enter,
    /// Anything else.
    Plain,
}

/// An event as a line of the event list. Texts are escaped and truncated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub num: u64,
    /// The time, in nanoseconds since the epoch.
    pub ts: u64,
    /// The CPU.
    pub cpu: u16,
    /// The thread.
    pub tid: i64,
    /// The process.
    pub pid: i64,
    /// The process's name; of a Kubernetes audit event the user's.
    pub comm: String,
    /// The container's name or id; empty = the host.
    pub container: String,
    /// `>` or `<`.
    pub enter: bool,
    /// The event's name.
    pub name: String,
    /// Its arguments.
    pub args: String,
    /// The duration of the call, in nanoseconds.
    pub latency: Option<u64>,
    /// The kind of line.
    pub tone: Tone,
}

/// Returns the line of an event.
pub fn write_line(cx: &Context<'_>) -> Line {
    let (event, view) = (cx.event, cx.view);
    let mut args = Vec::new();
    let mut comm = Vec::new();
    let is_request = request(cx, &mut comm, &mut args);
    if !is_request {
        let mut renderer = cx.session.renderer.borrow_mut();
        renderer.info(&mut args, event, view);
    }
    let mut name = Vec::new();
    syscall::event_name(&mut name, event, cx.session.arch);
    let container_name = view
        .container()
        .and_then(|c| c.text("name"))
        .filter(|name| !name.is_empty());
    let container = container_name.map(str::as_bytes).or(view.container_id());
    Line {
        num: event.num.0,
        ts: event.ts.0,
        cpu: event.cpu,
        tid: event.tid.0,
        pid: pid_of(cx),
        comm: match is_request {
            true => cut(comm),
            false => view.own_comm().map_or_else(|| "<NA>".to_owned(), escaped),
        },
        container: container.map_or_else(String::new, escaped),
        enter: event.ty.is_enter(),
        name: cut(name),
        args: cut(args.strip_suffix(b" ").map(<[u8]>::to_vec).unwrap_or(args)),
        latency: event.latency,
        tone: tone(cx),
    }
}

/// Appends the user and the request of a Kubernetes audit event; returns whether it is one.
fn request(cx: &Context<'_>, user: &mut Vec<u8>, args: &mut Vec<u8>) -> bool {
    let text = audit::plugin_data(cx.event).filter(|_| audit::is_audit(cx.event));
    let mut latest = cx.session.document.borrow_mut();
    let Some(request) = text.and_then(|text| latest.of(cx.event, text)) else {
        return false;
    };
    summary::user(user, request);
    summary::request(args, request);
    true
}

/// Returns the process of an event. Events of sysdig's captures do not store it; the state may know
/// it.
pub(super) fn pid_of(cx: &Context<'_>) -> i64 {
    match (cx.event.pid.0, cx.view.thread()) {
        (..0, Some(thread)) => thread.pid.0,
        (pid, _) => pid,
    }
}

/// Returns escaped and truncated text.
fn escaped(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    // Escaping never shortens text.
    text::escape_exact(&mut out, bytes.get(..4 * MAX_TEXT).unwrap_or(bytes));
    cut(out)
}

fn cut(text: Vec<u8>) -> String {
    shorten(text, MAX_TEXT)
}

/// Converts escaped bytes to text with a limit of characters.
pub(super) fn shorten(text: Vec<u8>, most: usize) -> String {
    let mut text = match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    // The last character marks the truncation.
    if let Some((end, _)) = text.char_indices().nth(most) {
        let last = text[..end].char_indices().next_back();
        text.truncate(last.map_or(0, |(at, _)| at));
        text.push('…');
    }
    text
}

fn tone(cx: &Context<'_>) -> Tone {
    let lanes = lanes::lanes_of(cx.event, cx.view);
    let has = |lane| lanes.contains(lane);
    if has(Lane::Errors) {
        Tone::Failed
    } else if has(Lane::Starts) || matches!(cx.event.ty, types::PROCEXIT_E | types::PROCEXIT_1_E) {
        Tone::Process
    } else if has(Lane::Privileges) || (has(Lane::Files) && lanes::is_change(cx.view.full())) {
        Tone::Change
    } else if has(Lane::Network) {
        Tone::Network
    } else if cx.event.ty.is_enter() && is_call(cx.event) {
        Tone::Enter
    } else {
        Tone::Plain
    }
}

fn is_call(event: &Event<'_>) -> bool {
    let info = event.info();
    info.is_some_and(|i| i.source_category.contains(SourceCategory::SYSCALL))
}
