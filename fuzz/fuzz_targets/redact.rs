//! Any bytes as the parameters of any event, with a secret among them: it is in no redacted event.
//!
//! `.ci/fuzz redact` from the project's root.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scap::event::Event;
use scap::export::{Class, Edit as _, Redaction, RedactionSettings};
use scap_capture_format::event::{EventFlags, EventNum, Params, Pid, Tid, Timestamp};
use scap_capture_format::schema::{EVENTS, ParamType};

const SECRET: &[u8] = b" AKIAIOSFODNN7EXAMPLE ";

fuzz_target!(|bytes: &[u8]| {
    let Some(([low, high, drops, hash, place], rest)) = bytes.split_first_chunk() else {
        return;
    };
    // Another one, in the middle of a word, is not recognised.
    let secret = SECRET.trim_ascii();
    if rest.windows(secret.len()).any(|part| part == secret) {
        return;
    }
    let number = usize::from(u16::from_le_bytes([*low, *high])) % EVENTS.len();
    let info = &EVENTS[number];
    let at = usize::from(*place).min(rest.len());
    let text = [&rest[..at], SECRET, &rest[at..]].concat();
    // Each parameter has all of the text, one more than the schema knows.
    let count = info.params.len() + 1;
    let lens = vec![text.len() as u32; count];
    let all = text.repeat(count);
    let Some(params) = Params::new(&lens, &all) else {
        return;
    };
    let event = Event {
        num: EventNum(1),
        ts: Timestamp(1),
        tid: Tid(1),
        pid: Pid(1),
        cpu: 0,
        ty: info.ty,
        latency: None,
        flags: EventFlags::empty(),
        params,
    };
    let mut redaction = Redaction::new(RedactionSettings {
        drops: *drops & 1 != 0,
        hash: Class::from_bits_truncate(u16::from(*hash)),
        ..RedactionSettings::default()
    });
    let redacted = redaction.event(&event);
    assert_eq!(redacted.params.lens().len(), count);
    // Two IPv6 addresses are 36 bytes, which can be any, and stay unless addresses are replaced.
    const INET6: u8 = 10;
    let keeps_addresses = !Class::from_bits_truncate(u16::from(*hash)).contains(Class::IPS);
    for (place, value) in redacted.params.iter().enumerate() {
        let Some(value) = value else { continue };
        let is_tuple = info.params.get(place).is_some_and(|p| p.ty == ParamType::SockTuple);
        let is_kept = is_tuple && keeps_addresses && value.first() == Some(&INET6);
        let has_secret = value.windows(secret.len()).any(|part| part == secret);
        assert!(!has_secret || is_kept, "{}", info.name);
    }
});
