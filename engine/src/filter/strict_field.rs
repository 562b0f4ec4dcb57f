//! A field without attributes is never skipped by an optimisation: `test.strict` counts its
//! evaluations.

use scap_capture_format::event::Params;
use scap_capture_format::schema::{EventType, types};

use super::Filter;
use crate::event::{Timestamp, synthetic_event};
use crate::fields::{Context, Session};
use crate::state::State;

/// Filters whose other conditions would allow events to be skipped.
const FILTERS: [&str; 5] = [
    "test.strict > 0",
    "test.strict > 2 and evt.type = openat",
    "test.strict > 2 and container.id = 0123456789ab and container.name = web",
    "test.strict > 2 and fd.num = 3 and evt.rawtime > 2026-11-24",
    "not (test.strict < 3 or not thread.tid = 7)",
];

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap()
}

fn matches(filter: &mut Filter, ty: EventType) -> bool {
    let (state, session) = (State::new(), Session::default());
    let params = Params::new(&[], &[]).unwrap();
    let event = synthetic_event(Timestamp(1), ty, params);
    let view = state.view(&event);
    filter.matches(&Context {
        event: &event,
        view: &view,
        session: &session,
    })
}

#[test]
fn the_whole_capture_is_read() {
    for text in FILTERS {
        let filter = filter(text);
        assert_eq!(
            filter.pushdown().depends_on_all,
            Some("test.strict"),
            "{text}"
        );
        assert!(filter.evaluated_types().is_all(), "{text}");
        assert!(filter.needs_payload(), "{text}");
    }
    let alone = filter(FILTERS[0]);
    assert!(alone.pushdown().is_everything());
    assert!(alone.pushdown().types_64bit.is_all());
}

#[test]
fn nothing_is_decided_by_the_container() {
    for text in FILTERS {
        let filter = filter(text);
        assert!(filter.container_prefilter().is_none(), "{text}");
        assert!(filter.needs_runtime_metadata(), "{text}");
        assert!(!filter.is_thread_scoped(), "{text}");
    }
    assert!(
        filter("container.name = web")
            .container_prefilter()
            .is_some()
    );
}

#[test]
fn it_is_evaluated_on_every_event() {
    let mut filter = filter("test.strict > 2 and evt.type = openat");
    assert!(!matches(&mut filter, types::SYSCALL_CLOSE_X));
    assert!(!matches(&mut filter, types::PROCINFO_E));
    assert!(matches(&mut filter, types::SYSCALL_OPENAT_2_X));
}

#[test]
fn transformers_hide_nothing() {
    let filter = filter("len(proc.name) = val(test.strict)");
    assert!(filter.pushdown().is_everything());
    assert_eq!(filter.pushdown().depends_on_all, Some("test.strict"));
    assert!(filter.needs_payload() && filter.needs_runtime_metadata());
}
