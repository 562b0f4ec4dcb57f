//! Any events, applied to a state: it can be asked everything, and written and read to the same.
//!
//! `.ci/fuzz state` from the project's root.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scap::event::bytes::BufferFormat;
use scap::fields::{self, ArgForm, Context, FieldFlags, Session};
use scap::format::Template;
use scap::state::State;
use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::schema::{EVENTS, EventType};

thread_local! {
    static FIELDS: String = fields::all()
        .filter(|f| !f.flags.contains(FieldFlags::FILTER_ONLY))
        .filter(|f| matches!(f.arg, ArgForm::None | ArgForm::OptIndex | ArgForm::OptKey))
        .map(|f| format!("%{} ", f.name))
        .fold("*".to_owned(), |all, f| all + &f);
}

/// Takes bytes off the front.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let mut state = State::new();
    let session = Session::default();
    let mut template = FIELDS.with(|f| Template::new(f)).expect("all fields are known");
    let mut num = 0;
    // Type, thread, process, result of few values so that they meet; then the parameters, each with its
    // length before it.
    while let Some(&[low, high, tid, pid]) = take(&mut rest, 4).and_then(<[u8]>::first_chunk::<4>) {
        let ty = EventType(u16::from_le_bytes([low, high]) % EVENTS.len() as u16);
        let (mut lens, mut data) = (Vec::new(), Vec::new());
        for _ in 0..ty.info().map_or(0, |i| i.params.len()) {
            let Some(&[len]) = take(&mut rest, 1).and_then(<[u8]>::first_chunk::<1>) else {
                break;
            };
            let Some(value) = take(&mut rest, usize::from(len % 48)) else {
                break;
            };
            lens.push(value.len() as u32);
            data.extend_from_slice(value);
        }
        num += 1;
        let event = EventRef {
            num: EventNum(num),
            ts: Timestamp(1_700_000_000_000_000_000 + num * 1_000),
            tid: Tid(i64::from(tid % 8) - 1),
            pid: Pid(i64::from(pid % 8) - 1),
            cpu: 0,
            ty,
            latency: None,
            flags: EventFlags::empty(),
            params: Params::new(&lens, &data).expect("as long as they say"),
        };
        state.apply(&event);
        let view = state.view(&event);
        let cx = Context {
            event: &event,
            view: &view,
            session: &session,
        };
        let mut out = Vec::new();
        assert!(template.write(&mut out, &cx, BufferFormat::Dots));
        assert!(!out.iter().any(|b| b.is_ascii_control()));
    }
    let snapshot = state.snapshot();
    let mut again = State::new();
    again.restore(&snapshot);
    assert_eq!(again.snapshot(), snapshot);
});
