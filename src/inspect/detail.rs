//! The details of one event: its fields, in groups, and its data.

use std::sync::atomic::AtomicBool;

use super::line::{pid_of, shorten};
use super::seek::at_event;
use scap_capture_format::schema::ParamType;

use crate::event::bytes::BufferFormat;
use crate::event::time::LocalClock;
use crate::event::{EventExt as _, number, render, syscall, text};
use crate::fields::attributes::{Listing, Subject};
use crate::fields::{self, Context, Scratch, Value};
use crate::filter::Filter;
use crate::filter::ast::{self, Op};
use crate::format::Template;
use crate::replay::IndexedCaptureError;
use crate::replay::SegmentReplayer;

/// Length limit of a value, in characters: above that of everything that a recorder keeps.
pub const MAX_VALUE: usize = 256 << 10;
/// Limit of the listed arguments of a program, and of its environment variables.
pub const MAX_ITEMS: usize = 1024;
/// Length limit of a value in a condition, in bytes: above that of paths in Linux.
const MAX_LITERAL: usize = 4096;
/// Limit of the data, in bytes.
pub const MAX_DATA: usize = 64 << 10;

/// A field and its value as escaped text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The field's name, or the argument's.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The condition that matches events with the same value, if there is one.
    pub filter: Option<String>,
}

/// A group of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The fields.
    pub entries: Vec<Entry>,
}

/// The details of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Its number.
    pub num: u64,
    /// The time, in nanoseconds since the epoch.
    pub ts: u64,
    /// The thread.
    pub tid: i64,
    /// The process.
    pub pid: i64,
    /// The parent process; -1 = not known.
    pub ppid: i64,
    /// The event's fd.
    pub fd: Option<i64>,
    /// The groups.
    pub groups: Vec<Group>,
    /// The data of the call, up to the limit.
    pub data: Vec<u8>,
    /// Length of the data in the capture, in bytes.
    pub data_len: u64,
}

/// Returns the details of an event; `None` if no visible event has this number.
///
/// # Errors
///
/// If the file cannot be read; [`IndexedCaptureError::Stopped`] once `stop` is set.
pub fn detail(
    replayer: &mut SegmentReplayer,
    num: u64,
    stop: &AtomicBool,
) -> Result<Option<Detail>, IndexedCaptureError> {
    at_event(replayer, num, stop, describe)
}

/// Returns the details of an event.
pub fn describe(cx: &Context<'_>) -> Detail {
    let (event, view) = (cx.event, cx.view);
    let mut groups: Vec<Group> = Vec::new();
    // The call comes first, then the process, the user and the container.
    groups.push(Group {
        title: "Arguments",
        entries: arguments(cx),
    });
    for subject in Subject::ALL {
        groups.push(Group {
            title: subject.title(),
            entries: entries(subject, cx),
        });
        if subject == Subject::Process {
            groups.push(Group {
                title: "Command line",
                entries: command_line(cx),
            });
            groups.push(Group {
                title: "Ancestors",
                entries: ancestors(cx),
            });
        }
    }
    groups.push(Group {
        title: "Environment",
        entries: environment(cx),
    });
    groups.retain(|group| !group.entries.is_empty());
    let data = event
        .info()
        .and_then(|info| event.params.get(info.io_data_param()?));
    let data = data.unwrap_or_default();
    let parent = view.thread().and_then(|thread| view.parent(thread));
    Detail {
        num: event.num.0,
        ts: event.ts.0,
        tid: event.tid.0,
        pid: pid_of(cx),
        ppid: parent.map_or(-1, |parent| parent.pid.0),
        fd: view.fd_number().filter(|_| view.has_fd()),
        groups,
        data: data.get(..MAX_DATA).unwrap_or(data).to_vec(),
        data_len: data.len() as u64,
    }
}

/// Returns the fields of a subject that have a value in the event: the most used ones first, false
/// flags last.
fn entries(subject: Subject, cx: &Context<'_>) -> Vec<Entry> {
    let classes = fields::CLASSES.iter();
    let classes = classes.filter(|class| class.subject == Some(subject));
    let infos = classes.flat_map(|class| class.fields);
    let infos = infos.filter(|info| info.is_detail());
    let mut entries: Vec<(u8, Entry)> = infos
        .filter_map(|info| {
            let entry = entry(info.name, cx)?;
            let rank = match info.attributes.listing {
                Listing::First(place) => place,
                _ if entry.value == "false" => u8::MAX,
                _ => u8::MAX - 1,
            };
            Some((rank, entry))
        })
        .collect();
    entries.sort_by_key(|(rank, _)| *rank);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// Returns the entry of a field, if it has a value in the event.
fn entry(name: &str, cx: &Context<'_>) -> Option<Entry> {
    let value = printed(name, cx)?;
    Some(Entry {
        name: name.to_owned(),
        value: shorten(value, MAX_VALUE),
        filter: condition(name, cx),
    })
}

/// Returns the value of a field as escaped text, if it is not empty.
fn printed(name: &str, cx: &Context<'_>) -> Option<Vec<u8>> {
    let mut template = Template::new(&format!("%{name}")).ok()?;
    let mut out = Vec::new();
    template.write(&mut out, cx, BufferFormat::AllDots);
    (!out.is_empty()).then_some(out)
}

/// Returns the condition that a field has its value in the event, if there is one.
fn condition(name: &str, cx: &Context<'_>) -> Option<String> {
    let field = fields::lookup(name).ok()?;
    let mut scratch = Scratch::default();
    let mut literal = Vec::new();
    match field.extract(cx, &mut scratch)? {
        Value::Text(text) | Value::Rendered(text) => literal.extend_from_slice(text),
        Value::Int(number) => number::dec(&mut literal, number),
        Value::Uint(number) => number::udec(&mut literal, number),
        Value::Bool(truth) => number::display(&mut literal, truth),
        Value::Double(number) => number::display(&mut literal, number),
        Value::Ip(ip) | Value::Ips(ip, _) => number::display(&mut literal, ip),
        Value::Ports(port, _) => number::udec(&mut literal, u64::from(port)),
        Value::Bytes(_) | Value::Texts(_) | Value::Ints(_) => return None,
    }
    if literal.len() > MAX_LITERAL {
        return None;
    }
    let text = ast::condition(name, Op::Eq, &literal);
    // The printed form of some fields is not valid in a condition.
    let holds = Filter::parse(&text).is_ok_and(|mut filter| filter.matches(cx));
    holds.then_some(text)
}

/// Returns an event's arguments: the raw value, and its interpretation in parentheses.
fn arguments(cx: &Context<'_>) -> Vec<Entry> {
    let mut names: Vec<&str> = Vec::new();
    if syscall::is_generic(cx.event.ty) {
        names.extend(cx.event.ty.is_exit().then_some("res"));
        let call = syscall::call(cx.event, cx.session.arch);
        names.extend(
            call.prototype
                .map_or(&[][..], |p| p.args)
                .iter()
                .map(|arg| arg.name),
        );
    } else {
        names.extend(cx.event.params_with_info().map(|(_, info, _)| info.name));
    }
    names
        .into_iter()
        .filter_map(|name| argument(name, cx))
        .collect()
}

fn argument(name: &str, cx: &Context<'_>) -> Option<Entry> {
    let [decoded, raw] = ["evt.arg", "evt.rawarg"].map(|class| format!("{class}.{name}"));
    let mut values = [printed(&raw, cx), printed(&decoded, cx)];
    if let Some(date) = date(name, cx) {
        values[1] = Some(date);
    }
    // Lines abbreviate long texts.
    let is_part = |raw: &[u8], decoded: &[u8]| {
        let start = decoded.strip_suffix(b"...");
        start.is_some_and(|start| raw.len() > start.len() && raw.starts_with(start))
    };
    let mut value = match values {
        [Some(raw), Some(decoded)] if raw == decoded || is_part(&raw, &decoded) => raw,
        [Some(raw), Some(decoded)] => [&*raw, b" (", &*decoded, b")"].concat(),
        [raw, decoded] => raw.or(decoded)?,
    };
    value.truncate(4 * MAX_VALUE);
    let mut params = cx.event.params_with_info();
    let param = params.find(|(_, info, _)| info.name == name);
    if param.is_some_and(|(_, info, bytes)| render::is_cut_text(cx.event, info, bytes)) {
        value.extend_from_slice(b"...");
    }
    Some(Entry {
        name: name.to_owned(),
        value: shorten(value, MAX_VALUE),
        filter: condition(&decoded, cx).or_else(|| condition(&raw, cx)),
    })
}

/// Returns the date and time of an argument that is a time, which `evt.arg` does not print.
fn date(name: &str, cx: &Context<'_>) -> Option<Vec<u8>> {
    let full = cx.view.full();
    let (index, info) = full.info()?.param(name)?;
    let ns = full.uint(index).filter(|_| info.ty == ParamType::AbsTime)?;
    let mut out = Vec::new();
    LocalClock::default().date_time(&mut out, ns);
    Some(out)
}

/// Returns `argv` of the event's thread, one entry per argument: their boundaries are not visible in a
/// command line.
fn command_line(cx: &Context<'_>) -> Vec<Entry> {
    let Some(thread) = cx.view.thread() else {
        return Vec::new();
    };
    let exe = thread.exe.as_deref().filter(|exe| !exe.is_empty());
    let first = exe.map(|exe| item("argv[0]".to_owned(), exe, condition("proc.exe", cx)));
    let list = thread.args.as_deref().unwrap_or_default();
    let args = fields::items(list).enumerate().map(|(index, arg)| {
        let filter = condition(&format!("proc.args[{index}]"), cx);
        item(format!("argv[{}]", index + 1), arg, filter)
    });
    limited(first.into_iter().chain(args), list)
}

/// Returns the environment of the event's process, one entry per variable.
fn environment(cx: &Context<'_>) -> Vec<Entry> {
    let main = cx.view.thread().and_then(|thread| cx.view.main(thread));
    let Some(main) = main else {
        return Vec::new();
    };
    let list = main.env.as_deref().unwrap_or_default();
    let entries = fields::items(list).map(|variable| {
        let at = variable.iter().position(|byte| *byte == b'=');
        let (name, value) = match at {
            Some(at) => (&variable[..at], &variable[at + 1..]),
            None => (variable, &[][..]),
        };
        let filter = std::str::from_utf8(name).ok();
        let filter = filter.and_then(|name| condition(&format!("proc.env[{name}]"), cx));
        let mut escaped = Vec::new();
        text::escape_exact(&mut escaped, name);
        item(
            String::from_utf8_lossy(&escaped).into_owned(),
            value,
            filter,
        )
    });
    limited(entries, list)
}

/// Returns the first of the entries made from a list of strings. A last one says how many more there are, or that the
/// recorder cut the list, whose last string then lacks its NUL.
fn limited(mut entries: impl Iterator<Item = Entry>, strings: &[u8]) -> Vec<Entry> {
    let mut list: Vec<Entry> = entries.by_ref().take(MAX_ITEMS).collect();
    let more = entries.count();
    let is_cut = strings.last().is_some_and(|last| *last != 0);
    let rest = match (more, is_cut) {
        (0, false) => return list,
        (0, true) => "cut here by the recorder".to_owned(),
        (more, false) => format!("{more} more"),
        (more, true) => format!("{more} more, then cut by the recorder"),
    };
    list.push(item("\u{2026}".to_owned(), rest.as_bytes(), None));
    list
}

fn item(name: String, value: &[u8], filter: Option<String>) -> Entry {
    let mut escaped = Vec::new();
    text::escape_exact(&mut escaped, value);
    Entry {
        name,
        value: shorten(escaped, MAX_VALUE),
        filter,
    }
}

/// Returns the chain of processes that started the event's process: the pid as the name, name and
/// command line as the value. A process that has adopted it comes first.
fn ancestors(cx: &Context<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let (_, Some(adopter)) = cx.view.starter() {
        let (exe, comm, args) = (&adopter.exe, &adopter.comm, &adopter.args);
        let value = program(exe.as_deref(), comm.as_deref(), args.as_deref());
        let pid = format!("{} ", adopter.pid.0).into_bytes();
        entries.push(Entry {
            name: "adopted by".to_owned(),
            value: shorten([pid, value].concat(), MAX_VALUE),
            filter: condition("proc.ppid", cx),
        });
    }
    for (index, ancestor) in cx.view.lineage().enumerate().skip(1) {
        let value = program(ancestor.exe, ancestor.comm, ancestor.args);
        entries.push(Entry {
            name: ancestor.pid.0.to_string(),
            value: shorten(value, MAX_VALUE),
            filter: condition(&format!("proc.lineage.pid[{index}]"), cx),
        });
    }
    entries
}

/// Returns name and command line of a process as escaped text.
fn program(exe: Option<&[u8]>, comm: Option<&[u8]>, args: Option<&[u8]>) -> Vec<u8> {
    let mut line = Vec::new();
    fields::command_line(&mut line, exe, comm, args, MAX_VALUE);
    let mut value = Vec::new();
    text::escape_exact(&mut value, comm.unwrap_or(b"<NA>"));
    value.extend_from_slice(b": ");
    text::escape_exact(&mut value, &line);
    value
}
