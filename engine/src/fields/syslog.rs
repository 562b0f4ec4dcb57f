//! Fields of messages written to the system log: `<priority>text` on the socket /dev/log.

use super::attributes::Needs;
use super::info::{FieldInfo, text, uint};
use super::{Context, Field, Scratch, Value};
use crate::event::EventExt as _;
use crate::state::FdKind;

pub(super) const FIELDS: &[FieldInfo] = &[
    uint(
        "syslog.facility",
        "facility number of a syslog write",
        facility,
    )
    .needs(Needs::PAYLOAD),
    text("syslog.facility.str", "facility name", facility_name).needs(Needs::PAYLOAD),
    text(
        "syslog.message",
        "syslog text without the <PRI> header",
        message,
    )
    .needs(Needs::PAYLOAD),
    uint("syslog.severity", "severity number 0-7", severity).needs(Needs::PAYLOAD),
    text(
        "syslog.severity.str",
        "emerg, alert, crit, err, warn, notice, info, debug",
        severity_name,
    )
    .needs(Needs::PAYLOAD),
];

/// Names of the facilities by number (RFC 5424, syslog(3)).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "clock", "authpriv",
    "ftp", "ntp", "logaudit", "logalert", "cron", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// Names of the severities by number.
const SEVERITIES: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
];

/// Bits of the priority with the severity.
const SEVERITY_BITS: u64 = 7;

/// Returns priority and text of a message that the event writes.
fn parse<'a>(cx: &Context<'a>) -> Option<(u64, &'a [u8])> {
    let info = cx.event.info()?;
    if !matches!(
        info.name,
        "write" | "writev" | "sendto" | "sendmsg" | "send"
    ) {
        return None;
    }
    let fd = cx.view.fd_info()?;
    if fd.kind != FdKind::Unix || !fd.name.ends_with(b"/dev/log") {
        return None;
    }
    let data = cx.event.params.get(info.io_data_param()?)?;
    let rest = data.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|b| *b == b'>')?;
    let priority: u64 = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    let text = &rest[end + 1..];
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    Some((priority, &text[..end]))
}

extract! {
    facility = |_, cx, _| Some(Value::Uint(parse(cx)?.0 >> SEVERITY_BITS.count_ones()));
    facility_name = |_, cx, _| {
        let facility = parse(cx)?.0 >> SEVERITY_BITS.count_ones();
        let name = FACILITIES.get(usize::try_from(facility).ok()?);
        Some(Value::Text(name.unwrap_or(&"<NA>").as_bytes()))
    };
    severity = |_, cx, _| Some(Value::Uint(parse(cx)?.0 & SEVERITY_BITS));
    severity_name = |_, cx, _| {
        let severity = parse(cx)?.0 & SEVERITY_BITS;
        let name = SEVERITIES.get(usize::try_from(severity).ok()?)?;
        Some(Value::Text(name.as_bytes()))
    };
    message = |_, cx, _| Some(Value::Text(parse(cx)?.1));
}
