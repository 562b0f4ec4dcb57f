//! Any text as a filter and as an output format: parsed, and asked about events.
//!
//! `.ci/fuzz filter` from the project's root.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scap::event::bytes::BufferFormat;
use scap::filter::Filter;
use scap::fields::{Context, Session};
use scap::format::Template;
use scap::state::State;
use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::schema::types;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let filter = Filter::parse(text);
    if let Err(error) = &filter {
        assert!(text.get(error.span.clone()).is_some(), "{error} at {:?}", error.span);
    }
    let template = Template::new(text);
    if let Err(error) = &template {
        assert!(text.get(error.span.clone()).is_some(), "{error} at {:?}", error.span);
    }
    let (mut filter, mut template) = (filter.ok(), template.ok());
    let mut state = State::new();
    let session = Session::default();
    let name = b"/etc/passwd\0";
    let fd = 3_i64.to_le_bytes();
    for (num, ty) in [types::SYSCALL_OPENAT_2_X, types::SYSCALL_READ_X, types::PROCEXIT_1_E]
        .into_iter()
        .enumerate()
    {
        let values: [&[u8]; 4] = [&fd, &fd, name, &fd[..4]];
        let count = ty.info().map_or(0, |i| i.params.len()).min(values.len());
        let lens: Vec<u32> = values[..count].iter().map(|v| v.len() as u32).collect();
        let data = values[..count].concat();
        let event = EventRef {
            num: EventNum(num as u64 + 1),
            ts: Timestamp(1_700_000_000_000_000_000),
            tid: Tid(7),
            pid: Pid(7),
            cpu: 0,
            ty,
            latency: Some(5),
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
        if let Some(filter) = &mut filter {
            let passes = filter.matches(&cx);
            assert!(!passes || filter.pushdown().types.contains(ty), "{text}");
        }
        if let Some(template) = &mut template {
            let mut out = Vec::new();
            template.write(&mut out, &cx, BufferFormat::Dots);
            template.write_json(&mut out, &cx, BufferFormat::Hex);
        }
    }
});
