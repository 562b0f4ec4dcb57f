//! What ten thousand containers make the resolver hold, counted by the allocator.
//!
//! One test, since the counter is for the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics fails, and tells numbers"
)]

#[path = "../capture-format/tests/counting/mod.rs"]
mod counting;
#[path = "runtimes/fake.rs"]
#[allow(dead_code, reason = "not all is needed here")]
mod fake;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use fake::{Machine, VERSION, head, reply, request, wait_for_end};
use scap::record::containers::{Description, Origin};

const CONTAINERS: usize = 10_000;

/// Ids whose first 12 digits differ.
fn id(n: usize) -> String {
    format!("{n:012x}{:052x}", 7)
}

/// A Docker with so many containers. What it sends is put together once: its own memory counts, too.
fn serve(machine: &Machine, list: &'static str, inspected: &'static str) {
    machine.listen("run/docker.sock", move |mut stream| {
        let path = request(&mut stream);
        let id = path.strip_prefix("/containers/");
        match id.and_then(|rest| rest.strip_suffix("/json")) {
            Some(id) => reply(&mut stream, 200, &inspected.replace("ID", id)),
            None if path == "/containers/json" => reply(&mut stream, 200, list),
            None if path == "/version" => reply(&mut stream, 200, VERSION),
            None if path.starts_with("/images/") => reply(&mut stream, 404, "{}"),
            None => {
                head(&mut stream, 200);
                wait_for_end(&mut stream);
            }
        }
    });
}

#[test]
fn memory_is_bounded() {
    // A kilobyte of each in the list, which is not kept.
    let padding = "x".repeat(900);
    let items: Vec<String> = (0..CONTAINERS)
        .map(|n| format!(r#"{{"Id":"{}","Labels":{{"padding":"{padding}"}}}}"#, id(n)))
        .collect();
    let list: &str = format!("[{}]", items.join(",")).leak();
    drop(items);
    let label = "v".repeat(200);
    let inspected: &str =
        format!(r#"{{"Id":"ID","Name":"/web","Config":{{"Labels":{{"l":"{label}"}}}}}}"#).leak();
    let machine = Machine::new();
    serve(&machine, list, inspected);

    let ((), most) = counting::peak(|| {
        let mut resolver = machine.resolver();
        // Nobody fetches at first, so that what waits is bounded, too.
        std::thread::sleep(Duration::from_millis(500));
        let mut known = HashSet::new();
        let mut bytes = 0;
        let end = Instant::now() + Duration::from_secs(60);
        while known.len() < CONTAINERS {
            assert!(Instant::now() < end, "only {} were described", known.len());
            match resolver.poll() {
                Some(Description { id, json }) => {
                    bytes += json.len();
                    known.insert(id);
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        println!("{CONTAINERS} containers, {bytes} bytes of descriptions");
        // All of them again: they are known, and nobody is asked.
        for n in 0..CONTAINERS {
            resolver.ask(&id(n).as_bytes()[..12], b"", Origin::default());
        }
        // And as many that there are not.
        for n in 0..2 * CONTAINERS {
            resolver.ask(format!("f{n:011x}").as_bytes(), b"", Origin::default());
        }
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(resolver.warning(), None);
    });
    let most = most >> 20;
    println!("at most {most} MiB");
    assert!(most <= 40, "{most} MiB");
}
