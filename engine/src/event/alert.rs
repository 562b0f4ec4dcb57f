//! Alerts in captures: what rules found while the capture was recorded.
//!
//! An alert is an asynchronous event ([`ALERT`]) right behind the event that it is about, with the time and the thread of
//! that event. It changes no state. Its data is Falco's JSON object of an alert, with a NUL after it. This module is the
//! only one that knows how the event is built and read; the object itself is written by the rules.

use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::schema::{Arch, types};
use serde_json::{Map, Value};

use super::async_event::ALERT;
use super::{Event, EventExt as _, syscall, text};

/// The member of an alert's `scap` object with the type of the event that it is about.
pub const TYPE_MEMBER: &str = "evt.type";

/// Longest JSON of an alert, in bytes: sysdig's events have texts of 64 KiB at most.
pub const MAX_DATA: usize = 65_000;

/// Whether an event is an alert.
#[inline]
pub fn is_alert(event: &Event<'_>) -> bool {
    data_param(event).is_some()
}

/// Returns the JSON of an alert.
pub fn data<'a>(event: &Event<'a>) -> Option<&'a [u8]> {
    let data = event.text(data_param(event)?)?;
    (data.len() <= MAX_DATA).then_some(data)
}

/// Returns the parameter with the data of an alert. Captures for sysdig, which knows no asynchronous events, have a
/// `notification` with the same name and data.
#[inline]
fn data_param(event: &Event<'_>) -> Option<usize> {
    let name = match event.ty {
        types::ASYNCEVENT_E => 1,
        types::NOTIFICATION_E => 0,
        _ => return None,
    };
    (event.text(name) == Some(ALERT)).then_some(name + 1)
}

/// An alert, read from an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alert {
    /// The name of the rule.
    pub rule: String,
    /// The rule's priority, as Falco names it.
    pub priority: String,
    /// The rule's tags.
    pub tags: Vec<String>,
    /// Where the event is from: `syscall`, `k8s_audit`.
    pub source: String,
    /// The rule's output for the event, without time and priority. Control characters are escaped by [`text::escape`]
    /// when it is printed.
    pub message: String,
    /// The fields of the output, with their values.
    pub fields: Map<String, Value>,
    /// How many alerts of the rule there were that are not in the capture: this event stands for them, and is about no
    /// event. 0 = it is an alert.
    pub left_out: u64,
    /// Time and thread of the event that the alert is about.
    about: (Timestamp, Tid),
    /// The name of its type.
    event_type: Option<String>,
}

impl Alert {
    /// Reads an event; `None` if it is no alert, or one that is malformed.
    pub fn of(event: &Event<'_>) -> Option<Self> {
        let data = data(event)?;
        let Value::Object(mut object) = serde_json::from_slice(data).ok()? else {
            return None;
        };
        let mut text = |name: &str| match object.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (rule, priority) = (text("rule")?, text("priority")?);
        let (source, message) = (text("source"), text("message"));
        let member = |name: &str| object.get(name);
        let event_type = member("scap").and_then(|evidence| evidence.get(TYPE_MEMBER)?.as_str());
        let event_type = event_type.map(str::to_owned);
        let tags = member("tags").and_then(Value::as_array);
        let tags = tags.into_iter().flatten().filter_map(Value::as_str);
        let tags = tags.map(str::to_owned).collect();
        let left_out = member("left_out").and_then(Value::as_u64).unwrap_or(0);
        let fields = match object.remove("output_fields") {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        Some(Self {
            rule,
            priority,
            tags,
            source: source.unwrap_or_default(),
            message: message.unwrap_or_default(),
            fields,
            left_out,
            about: (event.ts, event.tid),
            event_type,
        })
    }

    /// Whether this is the event that the alert is about. In the capture it is the nearest one before the alert for which
    /// this is true; only other alerts about it, and in merged captures events of other machines, can be between.
    pub fn is_about(&self, event: &Event<'_>, arch: Option<Arch>) -> bool {
        if self.left_out > 0 || (event.ts, event.tid) != self.about || is_alert(event) {
            return false;
        }
        let Some(expected) = &self.event_type else {
            return true;
        };
        let mut name = Vec::new();
        syscall::event_name(&mut name, event, arch);
        name == expected.as_bytes()
    }

    /// Appends priority, rule and message, safe to print.
    pub fn write(&self, out: &mut Vec<u8>) {
        text::escape(out, self.priority.as_bytes());
        out.push(b' ');
        text::escape(out, self.rule.as_bytes());
        out.extend_from_slice(b": ");
        match self.left_out {
            0 => text::escape(out, self.message.as_bytes()),
            count => {
                let more = format!("{count} more alerts of this rule were left out");
                out.extend_from_slice(more.as_bytes());
            }
        }
        out.push(b' ');
    }
}

/// Builds the events of alerts, in reusable buffers.
#[derive(Clone, Debug, Default)]
pub struct AlertEvent {
    lens: [u32; 3],
    bytes: Vec<u8>,
}

impl AlertEvent {
    /// Returns the event of an alert about `about`; `None` if the JSON is longer than [`MAX_DATA`].
    pub fn of<'a>(&'a mut self, about: &Event<'_>, json: &[u8]) -> Option<Event<'a>> {
        if json.len() > MAX_DATA {
            return None;
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(&0_u32.to_le_bytes());
        for text in [ALERT, json] {
            self.bytes.extend_from_slice(text);
            self.bytes.push(0);
        }
        self.lens = [4, ALERT.len() as u32 + 1, json.len() as u32 + 1];
        Some(EventRef {
            num: EventNum(0),
            ts: about.ts,
            tid: about.tid,
            pid: about.pid,
            cpu: about.cpu,
            ty: types::ASYNCEVENT_E,
            latency: None,
            flags: EventFlags::empty(),
            params: Params::new(&self.lens, &self.bytes)?,
        })
    }

    /// Returns an event at the time `ts` that is about no other one.
    pub fn at(&mut self, ts: Timestamp, json: &[u8]) -> Option<Event<'_>> {
        let nothing = Event {
            num: EventNum(0),
            ts,
            tid: Tid(-1),
            pid: Pid(-1),
            cpu: 0,
            ty: types::ASYNCEVENT_E,
            latency: None,
            flags: EventFlags::empty(),
            params: Params::EMPTY,
        };
        self.of(&nothing, json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"hostname":"web","message":"Shadow read \u001b[2J by cat","output_fields":{"proc.name":"cat","fd.num":3},"priority":"Warning","rule":"Read sensitive file","scap":{"evt.num":7,"evt.type":"openat"},"source":"syscall","tags":["T1555","host"],"time":"2026-07-21T15:25:11.901891000Z"}"#;

    fn event(ty: scap_capture_format::schema::EventType, ts: u64, tid: i64) -> Event<'static> {
        Event {
            num: EventNum(7),
            ts: Timestamp(ts),
            tid: Tid(tid),
            pid: Pid(tid),
            cpu: 3,
            ty,
            latency: Some(5),
            flags: EventFlags::empty(),
            params: Params::EMPTY,
        }
    }

    #[test]
    fn an_alert_is_read_as_written_and_finds_its_event() {
        let opened = event(types::SYSCALL_OPENAT_2_X, 100, 4);
        let mut built = AlertEvent::default();
        let made = built.of(&opened, JSON.as_bytes()).unwrap();
        assert_eq!(
            (made.ts, made.tid, made.pid, made.cpu),
            (opened.ts, opened.tid, opened.pid, 3)
        );
        assert!(is_alert(&made) && !made.is_internal());
        let alert = Alert::of(&made).unwrap();
        assert_eq!(alert.rule, "Read sensitive file");
        assert_eq!(alert.priority, "Warning");
        assert_eq!(alert.tags, ["T1555", "host"]);
        assert_eq!(alert.source, "syscall");
        assert_eq!(alert.fields["proc.name"], "cat");
        assert_eq!(alert.fields["fd.num"], 3);
        assert_eq!(alert.left_out, 0);
        let mut line = Vec::new();
        alert.write(&mut line);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "Warning Read sensitive file: Shadow read \\x1b[2J by cat "
        );
        let arch = Some(Arch::X86_64);
        assert!(alert.is_about(&opened, arch));
        for other in [
            event(types::SYSCALL_OPENAT_2_X, 101, 4),
            event(types::SYSCALL_OPENAT_2_X, 100, 5),
            event(types::SYSCALL_CLOSE_X, 100, 4),
        ] {
            assert!(!alert.is_about(&other, arch), "{other:?}");
        }
        assert!(!alert.is_about(&made, arch));
        let mut name = Vec::new();
        syscall::event_name(&mut name, &made, arch);
        assert_eq!(name, b"alert");
    }

    #[test]
    fn what_was_left_out_is_about_no_event() {
        let json = br#"{"priority":"Notice","rule":"often","left_out":250}"#;
        let mut built = AlertEvent::default();
        let made = built.at(Timestamp(9), json).unwrap();
        assert_eq!((made.tid, made.pid), (Tid(-1), Pid(-1)));
        let alert = Alert::of(&made).unwrap();
        assert_eq!((alert.left_out, alert.source.as_str()), (250, ""));
        assert!(!alert.is_about(&event(types::SYSCALL_CLOSE_X, 9, -1), None));
        let mut line = Vec::new();
        alert.write(&mut line);
        assert_eq!(
            line,
            b"Notice often: 250 more alerts of this rule were left out "
        );
    }

    #[test]
    fn malformed_alerts_are_refused() {
        let about = event(types::SYSCALL_CLOSE_X, 1, 1);
        let mut built = AlertEvent::default();
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let deep = format!(r#"{{"rule":"r","priority":"Error","tags":{deep}}}"#);
        for json in [
            "",
            "{",
            "[]",
            "null",
            "{}",
            r#"{"rule":"r"}"#,
            r#"{"rule":1,"priority":"Error"}"#,
            r#"{"rule":"r","priority":null}"#,
            &deep,
        ] {
            let made = built.of(&about, json.as_bytes()).unwrap();
            assert!(is_alert(&made));
            assert_eq!(Alert::of(&made), None, "{json}");
        }
        // Members of other types are as if they were not there.
        let odd = r#"{"rule":"r","priority":"p","tags":[1,"a"],"scap":3,"left_out":-1,"output_fields":[]}"#;
        let alert = Alert::of(&built.of(&about, odd.as_bytes()).unwrap()).unwrap();
        assert_eq!((alert.tags, alert.left_out), (vec!["a".to_owned()], 0));
        assert!(built.of(&about, &vec![b' '; MAX_DATA + 1]).is_none());
    }
}
