//! Sockets from both ends: who is client and who is server, and every field that says where a
//! conversation goes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{super::tools::bench, Session};

const FIELDS: &str = "*%evt.type %proc.name %evt.buffer %fd.type %fd.typechar %fd.sockfamily %fd.l4proto %fd.name \
                      %fd.cip %fd.sip %fd.cport %fd.sport %fd.lip %fd.rip %fd.lport %fd.rport  \
                      %fd.is_server %fd.connected %fd.num";

/// What is said in a conversation, in order: the words, and whether the client says or hears them.
const WORDS: &[(&str, bool)] = &[("question", true), ("answer", false), ("thanks", true)];

#[test]
fn both_ends_of_every_conversation() {
    let Some(bench) = bench() else { return };
    bench.compile("truth_net.c");
    let names = [
        "tcp-4",
        "tcp-6",
        "tcp-mapped",
        "tcp-4-nonblocking",
        "tcp-6-nonblocking",
        "udp-4",
        "udp-6",
        "udp-4-connected",
        "udp-6-connected",
        "unix-path",
        "unix-abstract",
    ];
    let script = format!("./truth_net {} >ports", names.join(" "));
    let session = Session::shell(&bench, "net.scap", &script);
    let compared = session.check(&[]);
    let ports = std::fs::read_to_string(bench.path("ports")).unwrap();
    let ports: BTreeMap<&str, Vec<u16>> = ports
        .lines()
        .map(|line| {
            let (name, ports) = line.split_once('=').unwrap();
            (name, ports.split(' ').map(|p| p.parse().unwrap()).collect())
        })
        .collect();
    assert_eq!(ports.len(), names.len());
    let mut seen = 0;
    for (name, ports) in ports.iter().filter(|(name, _)| !name.starts_with("unix")) {
        seen += inet(&session, name, ports[0], ports[1]);
    }
    println!("{compared} values are as in /proc, {seen} transfers say who talks to whom");
}

/// Checks what was said between two ports. Returns how many events.
fn inet(session: &Session<'_>, name: &str, server: u16, client: u16) -> usize {
    let is_udp = name.starts_with("udp");
    let ip = if name.contains("-6") {
        "::1"
    } else {
        "127.0.0.1"
    };
    let family = if name.contains("-6") { "ipv6" } else { "ipv4" };
    let filter = format!("evt.is_io=true and fd.sport={server} and fd.cport={client}");
    let events = session.read(&filter, FIELDS);
    let words = &WORDS[..if is_udp { 2 } else { 3 }];
    // Each is said and heard.
    assert_eq!(events.len(), 2 * words.len(), "{name}: {events:#?}");
    for event in &events {
        let word = event["evt.buffer"].as_str().unwrap();
        let (_, by_client) = words.iter().find(|(w, _)| *w == word).unwrap();
        let says = event["evt.type"].as_str().unwrap();
        let says = says.starts_with("send") || says.starts_with("write");
        let is_client = *by_client == says;
        let (local, remote) = if is_client {
            (client, server)
        } else {
            (server, client)
        };
        let expected: [(&str, Value); 14] = [
            ("fd.type", json!(family)),
            (
                "fd.typechar",
                json!(if family == "ipv6" { "6" } else { "4" }),
            ),
            ("fd.sockfamily", json!("ip")),
            ("fd.l4proto", json!(if is_udp { "udp" } else { "tcp" })),
            ("fd.name", json!(format!("{ip}:{client}->{ip}:{server}"))),
            ("fd.cip", json!(ip)),
            ("fd.sip", json!(ip)),
            ("fd.cport", json!(client)),
            ("fd.sport", json!(server)),
            ("fd.lip", json!(ip)),
            ("fd.rip", json!(ip)),
            ("fd.lport", json!(local)),
            ("fd.rport", json!(remote)),
            ("fd.is_server", json!(!is_client)),
        ];
        for (field, value) in expected {
            assert_eq!(event[field], value, "{name} {field}: {event:#?}");
        }
    }
    // The filter finds them by address, network and port of either end.
    for filter in [
        format!("fd.ip={ip} and fd.port={client}"),
        format!(
            "fd.net={ip}/{} and fd.rport={client}",
            if family == "ipv6" { 128 } else { 8 }
        ),
        format!("fd.cnet in ({ip}) and fd.sport={server} and fd.cport in ({client})"),
    ] {
        let found = session
            .read(&format!("evt.is_io=true and {filter}"), "*%evt.num")
            .len();
        let all = if filter.contains("rport") {
            words.len()
        } else {
            2 * words.len()
        };
        assert_eq!(found, all, "{name}: {filter}");
    }
    events.len()
}
