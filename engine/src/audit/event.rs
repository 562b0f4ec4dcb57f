//! Finds the audit events in a JSON text.

use std::fmt;

use chrono::DateTime;

use super::json::{Document, Invalid, Json, Kind};

/// Why a part of a log is no audit event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Something else than JSON.
    Foreign,
    /// A line of the text format that API servers can write.
    Legacy,
    /// An entry of Google's Cloud Audit Logs.
    GoogleCloud,
    /// JSON of another kind.
    NotAnEvent,
    /// The wrapper of a cloud without an event in it.
    EmptyWrapper,
    /// An event without `stageTimestamp`.
    NoTime,
    /// An event whose `stageTimestamp` is no time.
    BadTime,
    /// A broken JSON object.
    Broken,
    /// An object that is nested too deeply.
    TooDeep,
    /// An object that is too long.
    TooLong,
    /// An object with too many values.
    TooLarge,
    /// The log ends within an object or a list.
    CutOff,
    /// There are more events than can be sorted.
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Refusal {
    /// Returns the message.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Foreign => "not JSON, so no audit event",
            Self::Legacy => {
                "an audit event in the text format `legacy`, which is not read; only `--audit-log-format=json` is"
            }
            Self::GoogleCloud => {
                "an entry of Google's Cloud Audit Logs, which have a format of their own and are not read"
            }
            Self::NotAnEvent => "JSON, but no Kubernetes audit event",
            Self::EmptyWrapper => "a log entry without a Kubernetes audit event in it",
            Self::NoTime => "an audit event without stageTimestamp",
            Self::BadTime => "an audit event whose stageTimestamp is not a time",
            Self::Broken => "broken JSON",
            Self::TooDeep => "JSON that is nested more than 128 levels deep",
            Self::TooLong => "JSON of more than 16 MiB",
            Self::TooLarge => "JSON with more than two million values",
            Self::CutOff => "the log is cut off here",
            Self::TooMany => "more than 16 million events; the rest is not read",
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Syntax | Invalid::End | Invalid::Encoding => Self::Broken,
            Invalid::Depth => Self::TooDeep,
            Invalid::Size => Self::TooLarge,
        }
    }
}

/// Says what a line that is no JSON object is.
pub fn foreign(line: &[u8]) -> Refusal {
    let is_legacy = memchr::memmem::find(line, b" AUDIT: id=\"").is_some();
    if is_legacy {
        Refusal::Legacy
    } else {
        Refusal::Foreign
    }
}

/// An event that was found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'j> {
    /// Where the object is in the text that is the event, or the wrapper that the event is in as a text.
    pub start: usize,
    /// Its length.
    pub len: usize,
    /// The time, in nanoseconds since the epoch.
    pub time: u64,
    /// The event as JSON without blanks.
    pub json: &'j [u8],
}

/// Reads the events of JSON texts; its memory is reused.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    document: Document,
    inner: Document,
    unwrapped: Vec<u8>,
    compact: Vec<u8>,
}

impl Reader {
    /// Calls `see` for each event of a text, and for what is none: a text can be one event, or a list of them, which
    /// may be nested.
    pub fn each(&mut self, text: &[u8], see: &mut dyn FnMut(Result<Found<'_>, Refusal>)) {
        let Self {
            document,
            inner,
            unwrapped,
            compact,
        } = self;
        if let Err(invalid) = document.parse(text) {
            return see(Err(invalid.into()));
        }
        let Some(root) = document.root(text) else {
            return see(Err(Refusal::Broken));
        };
        walk(root, &mut |object, what| {
            compact.clear();
            let time = match what {
                What::Event => {
                    object.write_compact(compact);
                    time(object)
                }
                What::Wrapped(text) => {
                    unwrapped.clear();
                    text.write(unwrapped);
                    inner
                        .parse(unwrapped)
                        .map_err(Refusal::from)
                        .and_then(|()| {
                            let event = inner.root(unwrapped).ok_or(Refusal::Broken)?;
                            if !is_event(event) {
                                return Err(Refusal::EmptyWrapper);
                            }
                            event.write_compact(compact);
                            time(event)
                        })
                }
                What::Other(refusal) => Err(refusal),
            };
            see(time.map(|time| Found {
                start: object.start(),
                len: object.raw().len(),
                time,
                json: compact,
            }));
        });
    }
}

/// What an object is.
enum What<'t> {
    Event,
    /// An event as a text in a wrapper.
    Wrapped(super::json::Text<'t>),
    Other(Refusal),
}

/// Calls `see` for each object that is not a list.
fn walk<'d, 't>(value: Json<'d, 't>, see: &mut dyn FnMut(Json<'d, 't>, What<'t>)) {
    let is = |key: &str, expected: &str| {
        let text = value.get(key).and_then(Json::text);
        text.is_some_and(|text| text.is(expected))
    };
    match value.kind() {
        Kind::Array => return value.items().for_each(|item| walk(item, see)),
        Kind::Scalar | Kind::Text => return see(value, What::Other(Refusal::NotAnEvent)),
        Kind::Object => {}
    }
    if is("kind", "EventList") {
        return match value.get("items") {
            Some(items) if items.kind() == Kind::Array => walk(items, see),
            Some(items) if items.raw() == b"null" => {}
            _ => see(value, What::Other(Refusal::NotAnEvent)),
        };
    }
    if is_event(value) {
        return see(value, What::Event);
    }
    if value.get("protoPayload").is_some() {
        return see(value, What::Other(Refusal::GoogleCloud));
    }
    let Some(log) = value.path(&["properties", "log"]) else {
        return see(value, What::Other(Refusal::NotAnEvent));
    };
    match log.text() {
        Some(text) => see(value, What::Wrapped(text)),
        None if is_event(log) => see(log, What::Event),
        None => see(value, What::Other(Refusal::EmptyWrapper)),
    }
}

/// Whether an object is an audit event. Old ones, and those in lists, need not say so.
fn is_event(value: Json<'_, '_>) -> bool {
    match value.get("kind") {
        Some(kind) => kind.text().is_some_and(|kind| kind.is("Event")),
        None => value.get("auditID").and_then(Json::text).is_some(),
    }
}

/// Returns the time of an event.
fn time(event: Json<'_, '_>) -> Result<u64, Refusal> {
    let time = event.get("stageTimestamp").ok_or(Refusal::NoTime)?;
    timestamp(time).ok_or(Refusal::BadTime)
}

/// Reads a time (RFC 3339), in nanoseconds since the epoch.
pub fn timestamp(value: Json<'_, '_>) -> Option<u64> {
    let text = value.text()?;
    let mut decoded = Vec::new();
    let bytes = match text.plain() {
        Some(plain) => plain,
        None => {
            text.write(&mut decoded);
            &decoded
        }
    };
    let text = std::str::from_utf8(bytes).ok()?;
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    let ns = u64::try_from(time.timestamp_nanos_opt()?).ok()?;
    (ns > 0).then_some(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Result<(u64, String), Refusal>> {
        let mut all = Vec::new();
        Reader::default().each(text.as_bytes(), &mut |event| {
            all.push(
                event.map(|found| (found.time, String::from_utf8(found.json.to_vec()).unwrap())),
            );
        });
        all
    }

    const EVENT: &str =
        r#"{"kind":"Event","auditID":"a","stageTimestamp":"2026-07-21T15:25:11.901891Z"}"#;
    const TIME: u64 = 1_784_647_511_901_891_000;

    #[test]
    fn events_and_lists_of_them() {
        let event = || Ok((TIME, EVENT.to_owned()));
        assert_eq!(found(EVENT), [event()]);
        assert_eq!(found(&format!("[[{EVENT}],{EVENT}]")), [event(), event()]);
        let list = |items: &str| format!(r#"{{"kind":"EventList","items":{items}}}"#);
        let nested = list(&format!("[{EVENT},{}]", list(&format!("[{EVENT}]"))));
        assert_eq!(found(&nested), [event(), event()]);
        assert_eq!(found(&list("[]")), []);
        assert_eq!(found(&list("null")), []);
        // One bad item does not spoil the others.
        let mixed = list(&format!("[{{\"kind\":0}},{EVENT},1,null]"));
        let bad = || Err(Refusal::NotAnEvent);
        assert_eq!(found(&mixed), [bad(), event(), bad(), bad()]);
        // Old ones, and items of a list, need not say what they are.
        let bare = EVENT.replace(r#""kind":"Event","#, "");
        assert_eq!(found(&bare), [Ok((TIME, bare.clone()))]);
    }

    #[test]
    fn wrapped_events() {
        let text = serde_json::to_string(EVENT).unwrap();
        for inner in [text.as_str(), EVENT] {
            let wrapped = format!(r#"{{"category":"kube-audit","properties":{{"log":{inner}}}}}"#);
            assert_eq!(found(&wrapped), [Ok((TIME, EVENT.to_owned()))]);
        }
        for inner in ["{}", "3", "\"{}\"", "\"3\""] {
            let wrapped = format!(r#"{{"properties":{{"log":{inner}}}}}"#);
            assert_eq!(found(&wrapped), [Err(Refusal::EmptyWrapper)], "{inner}");
        }
        let broken = r#"{"properties":{"log":"{\"kind\":"}}"#;
        assert_eq!(found(broken), [Err(Refusal::Broken)]);
    }

    #[test]
    fn what_is_no_event_is_named() {
        assert_eq!(found(r#"{"kind":0}"#), [Err(Refusal::NotAnEvent)]);
        assert_eq!(found(r#"{"kind":"Pod"}"#), [Err(Refusal::NotAnEvent)]);
        assert_eq!(found(r#"{"kind":"EventList"}"#), [Err(Refusal::NotAnEvent)]);
        assert_eq!(found(r#"{"protoPayload":{}}"#), [Err(Refusal::GoogleCloud)]);
        assert_eq!(found(r#"{"auditID":"a"}"#), [Err(Refusal::NoTime)]);
        for bad in [
            "\"yesterday\"",
            "3",
            "null",
            "\"1969-12-31T23:59:59Z\"",
            "\"9999-01-01T00:00:00Z\"",
        ] {
            let event = format!(r#"{{"auditID":"a","stageTimestamp":{bad}}}"#);
            assert_eq!(found(&event), [Err(Refusal::BadTime)], "{bad}");
        }
        let legacy =
            br#"2016-09-07T13:03:57.400333046Z AUDIT: id="5c3b8227" ip="127.0.0.1" method="GET""#;
        assert_eq!(foreign(legacy), Refusal::Legacy);
        assert_eq!(foreign(b"I0721 15:25:11 server.go"), Refusal::Foreign);
    }

    #[test]
    fn zones_and_fractions() {
        for time in [
            "2026-07-21T17:25:11.901891+02:00",
            "2026-07-21T15:25:11.901891000Z",
            r"2026-07-21\u005415:25:11.901891Z",
        ] {
            let event = format!(r#"{{"auditID":"a","stageTimestamp":"{time}"}}"#);
            assert_eq!(found(&event)[0].as_ref().unwrap().0, TIME, "{time}");
        }
    }
}
