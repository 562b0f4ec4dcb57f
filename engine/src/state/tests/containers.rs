//! Which containers exist, and their descriptions over time.

use super::*;

const FULL: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";
const ID: &[u8] = b"3ad7b26ded6d";

/// A machine with a process in a container.
fn machine() -> Machine {
    let mut m = Machine::new();
    let mut params = clone_params(0, 200, 200, 100, 0);
    params[14] = format!("cpuset=/docker/{FULL}/sub\0memory=/\0").into_bytes();
    m.event(200, types::SYSCALL_CLONE_20_X, &refs(&params));
    m
}

fn describe(m: &mut Machine, id: &[u8], name: &str) {
    m.event(-1, types::CONTAINER_JSON_2_E, &[&description(id, name)]);
}

fn description(id: &[u8], name: &str) -> Vec<u8> {
    let id = std::str::from_utf8(id).unwrap();
    format!("{{\"container\":{{\"id\":\"{id}\",\"name\":\"{name}\"}}}}\0").into_bytes()
}

fn name<'a>(m: &'a Machine, id: &[u8]) -> Option<&'a str> {
    m.state.container(id)?.text("name")
}

#[test]
fn every_kind_of_event_describes_and_none_takes_away() {
    let mut m = machine();
    let thread = m.state.thread(Tid(200)).unwrap();
    assert_eq!(thread.container.as_deref(), Some(ID));
    assert_eq!(name(&m, ID), None);
    describe(&mut m, ID, "first");
    m.event(-1, types::CONTAINER_JSON_E, &[&description(b"old", "x")]);
    let again = description(ID, "web");
    m.event(-1, types::ASYNCEVENT_E, &[&u(0), b"container\0", &again]);
    m.event(
        -1,
        types::ASYNCEVENT_E,
        &[&u(0), b"container_removed\0", &again],
    );
    m.event(
        -1,
        types::ASYNCEVENT_E,
        &[&u(0), b"weather\0", &description(ID, "rain")],
    );
    m.event(
        200,
        types::ASYNCEVENT_E,
        &[&u(0), b"alert\0", &description(ID, "fire")],
    );
    assert_eq!((name(&m, ID), name(&m, b"old")), (Some("web"), Some("x")));
    assert_eq!(m.state.containers().count(), 2);
}

#[test]
fn what_is_known_of_the_future_is_used_until_it_comes() {
    let mut m = machine();
    for name in ["early", "late"] {
        let text = description(ID, name);
        m.state.preload_container(&text[..text.len() - 1]);
    }
    m.state.preload_container(b"{");
    assert_eq!(name(&m, ID), Some("early"));
    assert_eq!(m.state.containers().count(), 1);
    // A snapshot without the container changes nothing.
    m.state
        .restore(&scap_capture_format::native::Snapshot::default());
    assert_eq!(name(&m, ID), Some("early"));
    describe(&mut m, ID, "now");
    assert_eq!(name(&m, ID), Some("now"));
    assert_eq!(m.state.containers().count(), 1);
}

/// Falco's recorders announce a container before they ask the runtime about it.
#[test]
fn an_announcement_is_no_description() {
    let mut m = machine();
    describe(&mut m, ID, "incomplete");
    assert_eq!(name(&m, ID), Some("incomplete"));
    m.state
        .preload_container(br#"{"container":{"id":"3ad7b26ded6d","name":"incomplete"}}"#);
    m.state
        .preload_container(br#"{"container":{"id":"3ad7b26ded6d","name":"early"}}"#);
    assert_eq!(name(&m, ID), Some("early"));
    describe(&mut m, ID, "web");
    describe(&mut m, ID, "incomplete");
    assert_eq!(name(&m, ID), Some("web"));
    assert_eq!(m.state.containers().count(), 1);
}

/// containerd describes a container when it is created, CRI describes its pod a little later.
#[test]
fn what_is_told_in_parts_is_known_as_a_whole() {
    let mut m = machine();
    let id = std::str::from_utf8(ID).unwrap();
    let first = format!(r#"{{"container":{{"id":"{id}","name":"web","ip":null}}}}"#);
    let then = format!(
        r#"{{"container":{{"id":"{id}","name":"shop","ip":"10.0.0.2","pod_sandbox_id":"p"}}}}"#
    );
    m.state.preload_container(first.as_bytes());
    m.state.preload_container(then.as_bytes());
    let text = |m: &Machine, key: &str| m.state.container(ID).unwrap().text(key).map(str::to_owned);
    let all = |m: &Machine| ["name", "ip", "pod_sandbox_id"].map(|key| text(m, key).unwrap());
    assert_eq!(all(&m), ["web", "10.0.0.2", "p"]);
    m.event(-1, types::CONTAINER_JSON_2_E, &[first.as_bytes()]);
    assert_eq!(all(&m), ["web", "10.0.0.2", "p"]);
    m.event(-1, types::CONTAINER_JSON_2_E, &[then.as_bytes()]);
    assert_eq!(all(&m), ["shop", "10.0.0.2", "p"]);
}

#[test]
fn a_snapshot_has_the_containers_that_somebody_is_in() {
    let mut m = machine();
    describe(&mut m, ID, "web");
    describe(&mut m, b"over", "ended long ago");
    let snapshot = m.state.snapshot();
    assert_eq!(snapshot.containers.len(), 1);
    let mut restored = State::new();
    restored.restore(&snapshot);
    assert_eq!(restored.containers().count(), 1);
    // A more complete description is kept.
    m.state.restore(&snapshot);
    assert_eq!(
        (name(&m, ID), name(&m, b"over")),
        (Some("web"), Some("ended long ago"))
    );
    // It is dropped with the last of its processes.
    m.event(200, types::PROCEXIT_1_E, &[&i(0)[..]; 5]);
    assert_eq!(m.state.snapshot().containers.len(), 0);
}
