//! Any bytes as an audit log, and as the JSON of an event: read, looked into by every field, and printed.
//!
//! `.ci/fuzz audit` from the project's root.
#![no_main]

use std::cell::RefCell;
use std::io::Cursor;
use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use scap::event::bytes::BufferFormat;
use scap::event::{Event, synthetic_event};
use scap::fields::{self, Context, Field, FieldFlags, Scratch, Session};
use scap::format::{LineFormat, LineOptions, Template};
use scap::inspect;
use scap::replay::audit::{AuditContent, AuditInput};
use scap::replay::{AuditSource, EventSource as _, Item};
use scap::state::State;
use scap_capture_format::event::{EventNum, Params, Timestamp};
use scap_capture_format::schema::types;

/// The classes of fields that look into audit events.
const CLASSES: [&str; 4] = ["audit", "ka", "json", "jevt"];

thread_local! {
    static FIELDS: Vec<Field> = all_fields();
    static LINE: RefCell<(LineFormat, Template)> = RefCell::new((
        LineFormat::new(LineOptions::default(), None),
        Template::new("*%evt.plugininfo %ka.user.groups %jevt.obj").expect("valid"),
    ));
}

fn all_fields() -> Vec<Field> {
    let infos = fields::all().filter(|info| CLASSES.contains(&info.class()));
    let names = infos.flat_map(|info| {
        let name = info.name;
        [name.to_owned(), format!("{name}[0]"), format!("{name}[/user/extra/0~1]")]
    });
    names.filter_map(|name| fields::lookup(&name).ok()).collect()
}

fn look(event: &Event<'_>) {
    let state = State::new();
    let view = state.view(event);
    let session = Session::default();
    let cx = Context {
        event,
        view: &view,
        session: &session,
    };
    FIELDS.with(|fields| {
        for field in fields {
            let mut scratch = Scratch::default();
            let value = field.extract(&cx, &mut scratch);
            if let Some(fields::Value::Text(text)) = value {
                assert!(!text.contains(&0) && !field.info.flags.contains(FieldFlags::IS_LIST));
            }
        }
    });
    LINE.with(|line| {
        let (format, template) = &mut *line.borrow_mut();
        let mut out = Vec::new();
        format.line(&mut out, event, &view);
        template.write(&mut out, &cx, BufferFormat::Dots);
        template.write_json(&mut out, &cx, BufferFormat::Dots);
        assert!(!out.iter().any(|b| b.is_ascii_control() && *b != b'\n'));
    });
    inspect::detail::describe(&cx);
    inspect::line::write_line(&cx);
}

fuzz_target!(|bytes: &[u8]| {
    let input = AuditInput {
        name: "log".to_owned(),
        content: AuditContent::Once(Box::new(Cursor::new(bytes.to_vec()))),
    };
    let mut source = AuditSource::open(vec![input]).expect("memory is readable");
    let known = source.damages().count();
    let mut last = 0;
    source
        .read(&mut |_, item| {
            if let Item::Event(event) = item {
                assert!(event.event.ts.0 >= last, "not sorted");
                last = event.event.ts.0;
                look(event.event);
            }
            Ok(ControlFlow::Continue(()))
        })
        .expect("memory is readable");
    assert_eq!(source.damages().count(), known, "what was indexed is not found again");
    // A capture can have anything as the JSON.
    let data = [&1_u32.to_le_bytes()[..], bytes].concat();
    let lens = [4, bytes.len() as u32];
    let params = Params::new(&lens, &data).expect("as long as they say");
    let mut event = synthetic_event(Timestamp(1), types::PLUGINEVENT_E, params);
    event.num = EventNum(1);
    look(&event);
});
