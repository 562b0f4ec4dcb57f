//! `scap redact`: nothing of what is redacted is left anywhere in the file, and the rest reads as before.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::path::Path;

use crate::common::{
    START, TestEvent, contains, event, file, header, i64b, push, raw, scap, seen, u32b,
};
use scap_capture_format::event::{EventFlags, Pid, Tid, Timestamp};
use scap_capture_format::native::loss::LossReport;
use scap_capture_format::native::snapshot::{
    ContainerEntry, FdEntry, GroupEntry, InterfaceEntry, SocketEntry, ThreadEntry, UserEntry,
};
use scap_capture_format::native::{CaptureWriter, ContainerDescription, Snapshot, WriterOptions};
use scap_capture_format::schema::types;
use serde_json::Value;

fn quiet(args: &[&str]) -> String {
    let (out, err, code) = seen(&scap(args, None));
    assert_eq!((err.as_str(), code), ("", 0), "{args:?}");
    out
}

/// Secrets, each of another kind: none of them is in any redacted file.
const SECRETS: [&str; 9] = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-123456789012-abcdefabcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "AIzaSyA1234567890abcdefghijklmnopqrstuvw",
    "hunter2-argv",
    "hunter2-url",
    "hunter2-env",
    "MIIsecretkeydata",
];

/// All secrets in one text, with what shows that they are.
fn secrets() -> String {
    let [aws, github, slack, jwt, gcp, argv, url, env, pem] = SECRETS;
    format!(
        "{aws} {github} {slack} {jwt} {gcp} --password {argv} https://u:{url}@host/ MY_TOKEN={env} \
         -----BEGIN RSA PRIVATE KEY-----\n{pem}\n-----END RSA PRIVATE KEY----- end"
    )
}

/// Names, by the option that hides them.
const NAMES: [(&str, &[&str]); 7] = [
    (
        "paths",
        &[
            "customer-list",
            "crown-jewels",
            "innerdir",
            "secretprog",
            "sockpath",
        ],
    ),
    ("args", &["argvalue", "optvalue"]),
    ("env", &["envvalue"]),
    ("ips", &["203.0.113.77", "2001:db8::77"]),
    ("users", &["alicesmith", "groupofalice"]),
    ("hosts", &["prodhost7", "boot-of-prodhost7"]),
    ("containers", &["cafecafecafe", "webcontainer", "corpimage"]),
];

/// Payload and environment, which are dropped.
const PAYLOAD: [&str; 3] = ["payload-bytes", "env-of-snapshot", "env-of-exec"];

fn z(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn exec(tid: i64) -> TestEvent {
    let zero = i64b(0);
    let args = format!(
        "--opt=optvalue\0argvalue\0/data/customer-list/crown-jewels.csv\0203.0.113.77\0/home/alicesmith/x\0{}\0-phunter2-argv\0",
        secrets()
    );
    let env = format!("PLAIN=env-of-exec\0V=envvalue\0{}\0", secrets());
    let cgroups = format!(
        "cpuset=/docker/{}\0memory=/innerdir/prodhost7.scope\0",
        "cafecafecafe".repeat(5) + "cafe"
    );
    let params: Vec<Vec<u8>> = vec![
        zero.to_vec(),
        z("mysql"),
        args.into_bytes(),
        i64b(tid).to_vec(),
        i64b(tid).to_vec(),
        i64b(1).to_vec(),
        z("/data/customer-list"),
        i64b(1024).to_vec(),
        zero.to_vec(),
        zero.to_vec(),
        u32b(1).to_vec(),
        u32b(1).to_vec(),
        u32b(0).to_vec(),
        z("secretprog"),
        cgroups.into_bytes(),
        env.into_bytes(),
        u32b(0).to_vec(),
        i64b(tid).to_vec(),
        u32b(0).to_vec(),
        u32b(0).to_vec(),
        zero.to_vec(),
        zero.to_vec(),
        zero.to_vec(),
        zero.to_vec(),
        zero.to_vec(),
        zero.to_vec(),
        u32b(5).to_vec(),
        z("/data/customer-list/secretprog"),
    ];
    let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
    event(0, tid, types::SYSCALL_EXECVE_19_X, &params)
}

fn tuple(v6: bool) -> Vec<u8> {
    let mut out = vec![if v6 { 10 } else { 2 }];
    for _ in 0..2 {
        match v6 {
            true => out.extend(
                "2001:db8::77"
                    .parse::<std::net::Ipv6Addr>()
                    .unwrap()
                    .octets(),
            ),
            false => out.extend([203, 0, 113, 77]),
        }
        out.extend(443_u16.to_le_bytes());
    }
    out
}

fn asynchronous(name: &str, data: &[u8]) -> TestEvent {
    event(0, 100, types::ASYNCEVENT_E, &[&u32b(0), &z(name), data])
}

const CONTAINER: &str = r#"{"container":{"id":"cafecafecafe","name":"webcontainer","image":"registry/corpimage:1","type":0,"ip":"203.0.113.77","env":["A=env-of-snapshot"],"labels":{"corpimage":"SECRETS"},"Mounts":[{"Source":"/data/customer-list"}]}}"#;

/// A capture with all of this in every place that can have it.
fn planted() -> Vec<u8> {
    let secrets = secrets();
    let json = serde_json::to_string(&secrets).unwrap();
    let container = CONTAINER.replace("\"SECRETS\"", &json);
    let mut header = header();
    header.machine.host_name = "prodhost7".into();
    header.machine.boot_id = "boot-of-prodhost7".into();
    header.machine.os = format!("Linux {secrets}");
    header.options = vec![
        ("filter".into(), "proc.name=secretprog and fd.name startswith /data/customer-list and user.name=alicesmith".into()),
        ("command".into(), format!("run argvalue optvalue envvalue 203.0.113.77 cafecafecafe prodhost7 {secrets}")),
    ];
    header.extra = vec![(77, secrets.clone().into_bytes())];
    let mut s = Snapshot {
        time: Timestamp(START),
        ..Snapshot::default()
    };
    let mut string = |text: &str| s.strings.intern(text.as_bytes());
    let mut thread = ThreadEntry {
        tid: Tid(100),
        pid: Pid(100),
        comm: string("secretprog"),
        exe: string("secretprog"),
        exepath: string("/data/customer-list/secretprog"),
        args: string(&format!("argvalue\0--opt=optvalue\0{secrets}\0")),
        env: string(&format!("A=env-of-snapshot\0V=envvalue\0{secrets}\0")),
        cwd: string(&format!("/data/customer-list/{}", SECRETS[0])),
        root: string("/innerdir"),
        cgroups: string(&format!(
            "cpuset=/docker/{}\0",
            "cafecafecafe".repeat(5) + "cafe"
        )),
        container: string("cafecafecafe"),
        ..ThreadEntry::default()
    };
    thread.extra = vec![(99, secrets.clone().into_bytes())];
    let names = [
        string("/data/customer-list/crown-jewels.csv"),
        string("/run/sockpath/x"),
        string("cafecafecafe"),
        string(&container),
    ];
    let alice = string("alicesmith");
    let group = string("groupofalice");
    let home = string("/home/alicesmith");
    let eth = string("eth0");
    s.threads.push(thread);
    let fd = |fd, kind, name, socket| FdEntry {
        owner: Tid(100),
        fd,
        kind,
        name,
        socket,
        ..FdEntry::default()
    };
    s.fds.push(fd(3, 16, names[0], SocketEntry::None));
    s.fds
        .push(fd(4, 8, names[1], SocketEntry::Unix { source: 1, dest: 2 }));
    s.fds.push(fd(
        5,
        3,
        eth,
        SocketEntry::Inet {
            source: [203, 0, 113, 77],
            dest: [203, 0, 113, 77],
            source_port: 1,
            dest_port: 2,
            l4proto: 2,
        },
    ));
    let v6 = "2001:db8::77"
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets();
    s.fds.push(fd(
        6,
        4,
        eth,
        SocketEntry::Inet6 {
            source: v6,
            dest: v6,
            source_port: 1,
            dest_port: 2,
            l4proto: 2,
        },
    ));
    s.interfaces.push(InterfaceEntry {
        name: eth,
        address: vec![203, 0, 113, 77],
        netmask: vec![255; 4],
        broadcast: vec![203, 0, 113, 77],
        link_speed: 1,
    });
    s.users.push(UserEntry {
        uid: 5,
        gid: 5,
        name: alice,
        home,
        shell: home,
        ..UserEntry::default()
    });
    s.groups.push(GroupEntry {
        gid: 5,
        name: group,
        ..GroupEntry::default()
    });
    s.containers.push(ContainerEntry {
        id: names[2],
        json: names[3],
    });
    s.extra = vec![(98, secrets.clone().into_bytes())];

    let alert = serde_json::json!({
        "rule": "A rule", "priority": "Warning", "source": "syscall", "tags": ["t"], "hostname": "prodhost7",
        "output": format!("payload-bytes env-of-exec argvalue optvalue envvalue /data/customer-list 203.0.113.77 2001:db8::77 alicesmith cafecafecafe webcontainer {secrets}"),
        "output_fields": {"proc.cmdline": format!("secretprog argvalue {secrets}"), "evt.buffer": "payload-bytes"},
        "scap": {"evt.num": 7, "evt.type": "openat"},
    });
    let audit = serde_json::json!({
        "kind": "Event", "auditID": "a", "verb": "create", "stageTimestamp": "2026-07-21T15:25:11.901891Z",
        "user": {"username": "alicesmith"}, "sourceIPs": ["203.0.113.77", "2001:db8::77"],
        "requestObject": {"data": {"password": secrets}}, "objectRef": {"name": "webcontainer", "resource": "pods"},
        "note": format!("argvalue optvalue envvalue /data/customer-list prodhost7 {secrets}"),
    });
    let mut fd_data = Vec::new();
    scap::event::async_event::OpenFd {
        fd: 9,
        kind: 16,
        cloexec: false,
        is_listening: false,
        l4: 0,
        open_flags: 0,
        dev: 0,
        ino: 0,
        name: b"/data/customer-list/crown-jewels.csv",
        tuple: &tuple(false),
    }
    .write(&mut fd_data);
    let mut dirs = Vec::new();
    scap::event::async_event::Directories {
        mount_ns: None,
        root: b"/innerdir",
        cwd: b"/data/customer-list",
    }
    .write(&mut dirs);
    let path = z(&format!("/data/customer-list/innerdir/{}", SECRETS[1]));
    let open: [&[u8]; 7] = [
        &i64b(7),
        &i64b(-100),
        &path,
        &u32b(1),
        &u32b(0),
        &u32b(1),
        &i64b(9),
    ];
    let payload = format!("payload-bytes 203.0.113.77 alicesmith {secrets}");
    let mut address = vec![1];
    address.extend(z("/run/sockpath/x"));
    let mut inet = vec![2, 203, 0, 113, 77];
    inet.extend(443_u16.to_le_bytes());
    let mut hidden = event(0, 100, types::SYSCALL_CHDIR_X, &[&i64b(0), &path]);
    hidden.flags = EventFlags::HIDDEN;
    // More than the schema knows, and a number that is none.
    let odd: [&[u8]; 3] = [&i64b(0), secrets.as_bytes(), secrets.as_bytes()];
    let user: [&[u8]; 6] = [
        &u32b(5),
        &u32b(5),
        &z("alicesmith"),
        &z("/home/alicesmith"),
        &z("/bin/sh"),
        &z("cafecafecafe"),
    ];
    let mut dynamic = vec![4];
    dynamic.extend(secrets.as_bytes());
    let events = vec![
        exec(100),
        event(0, 100, types::SYSCALL_OPENAT_2_X, &open),
        event(
            0,
            100,
            types::SYSCALL_READ_X,
            &[
                &i64b(payload.len() as i64),
                payload.as_bytes(),
                &i64b(3),
                &u32b(64),
            ],
        ),
        event(
            0,
            100,
            types::SYSCALL_WRITE_X,
            &[&i64b(5), payload.as_bytes(), &i64b(3), &u32b(64)],
        ),
        event(
            0,
            100,
            types::SOCKET_CONNECT_X,
            &[&i64b(0), &tuple(false), &i64b(5), &inet],
        ),
        event(
            0,
            100,
            types::SOCKET_CONNECT_X,
            &[&i64b(0), &tuple(true), &i64b(6), &address],
        ),
        event(0, 100, types::SOCKET_BIND_X, &[&i64b(0), &address]),
        hidden,
        event(0, 100, types::SYSCALL_CLOSE_X, &odd),
        event(0, -1, types::USER_ADDED_E, &user),
        event(0, -1, types::CONTAINER_JSON_2_E, &[&z(&container)]),
        asynchronous("alert", &z(&alert.to_string())),
        asynchronous("fd", &fd_data),
        asynchronous("directories", &dirs),
        asynchronous("comm", &z("secretprog")),
        asynchronous("argument", &z("name=/data/customer-list/x")),
        asynchronous("cgroup.procs", b"cpuset=/docker/cafecafecafe/innerdir\0"),
        asynchronous("unheard.of", &z(&payload)),
        event(0, 100, types::NOTIFICATION_E, &[&z("note"), &z(&secrets)]),
        event(
            0,
            100,
            types::NOTIFICATION_E,
            &[&z("alert"), &z(&alert.to_string())],
        ),
        event(
            0,
            -1,
            types::PLUGINEVENT_E,
            &[&u32b(1), audit.to_string().as_bytes()],
        ),
        event(
            0,
            100,
            types::SYSCALL_PRCTL_X,
            &[&i64b(0), &u32b(15), &z(&secrets), &i64b(0)],
        ),
        event(
            0,
            100,
            types::SOCKET_SETSOCKOPT_X,
            &[&i64b(0), &i64b(3), &[1], &[1], &dynamic, &u32b(4)],
        ),
        event(
            0,
            100,
            types::SYSCALL_MOUNT_X,
            &[
                &i64b(0),
                &u32b(0),
                &z("/data/customer-list"),
                &path,
                &z("ext4"),
            ],
        ),
    ];
    let mut bytes = Vec::new();
    let mut writer = CaptureWriter::new(&mut bytes, &header, WriterOptions::default()).unwrap();
    writer.write_snapshot(&mut s).unwrap();
    writer
        .write_containers(&[ContainerDescription {
            time: Timestamp(START),
            id: b"cafecafecafe".to_vec(),
            json: container.into_bytes(),
        }])
        .unwrap();
    writer
        .write_loss(&LossReport {
            extra: vec![(97, secrets.clone().into_bytes())],
            ..LossReport::default()
        })
        .unwrap();
    for (at, mut event) in (1_u64..).zip(events) {
        event.at = at * 1_000_000;
        push(&mut writer, &event);
    }
    // A section of a newer scap.
    let unknown = scap_capture_format::native::section::SectionKind(4000);
    writer
        .write_section(unknown, 0, secrets.as_bytes())
        .unwrap();
    writer.finish().unwrap();
    bytes
}

/// Where a text is in a file, with what is around it.
fn found(all: &[u8], text: &str) -> Option<String> {
    let at = all
        .windows(text.len())
        .position(|window| window == text.as_bytes())?;
    let around = &all[at.saturating_sub(60)..(at + 60).min(all.len())];
    Some(String::from_utf8_lossy(around).into_owned())
}

#[test]
fn nothing_of_the_original_is_left_in_any_section() {
    let dir = tempfile::tempdir().unwrap();
    let whole = file(dir.path(), "prodhost7.scap", &planted());
    let whole = whole.to_str().unwrap();
    let original = raw(&fs::read(whole).unwrap());
    let out = dir.path().join("out.scap");
    let out = out.to_str().unwrap();
    let key = file(dir.path(), "key", b"0123456789abcdef-key");
    let key = key.to_str().unwrap();
    let hidden = |args: &[&str], texts: &[&str]| {
        quiet(&[&["redact", whole, "-q", "-o", out], args].concat());
        let all = raw(&fs::read(out).unwrap());
        for text in texts {
            assert!(found(&original, text).is_some(), "{text} was not planted");
            assert_eq!(found(&all, text), None, "{text} {args:?}");
        }
        assert!(!contains(&all, b"0123456789abcdef-key"));
        quiet(&["verify", out, "--parent", whole]);
        all
    };
    let all = hidden(&[], &[&SECRETS[..], &PAYLOAD].concat());
    assert!(contains(&all, b"customer-list") && contains(&all, b"prodhost7"));
    let all = hidden(&["--secrets"], &SECRETS);
    assert!(contains(&all, b"payload-bytes 203.0.113.77") && contains(&all, b"env-of-exec"));
    for (what, names) in NAMES {
        let texts = [&SECRETS[..], &PAYLOAD, names].concat();
        hidden(&["--hash", what, "--key", key], &texts);
    }
    let names: Vec<&str> = NAMES
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    let texts = [&SECRETS[..], &PAYLOAD, &names].concat();
    let all = hidden(&["--hash", "all", "--key", key], &texts);
    for address in [
        &[203, 0, 113, 77][..],
        &"2001:db8::77"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    ] {
        assert!(contains(&original, address) && !contains(&all, address));
    }
    // As often as one likes, and with all other captures: what is kept is what was asked for.
    let all = hidden(
        &["--hash", "paths", "--keep", "/data/customer-list/*"],
        &["innerdir/x"][..0],
    );
    assert!(contains(&all, b"/data/customer-list/crown-jewels.csv"));
}

#[test]
fn what_belongs_together_still_does() {
    let dir = tempfile::tempdir().unwrap();
    let whole = file(dir.path(), "whole.scap", &planted());
    let whole = whole.to_str().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let [one, two, other] = ["one.scap", "two.scap", "other.scap"].map(path);
    let key = file(dir.path(), "key", b"0123456789abcdef-key");
    let key = key.to_str().unwrap();
    quiet(&[
        "redact", whole, "-q", "-o", &one, "--hash", "all", "--key", key,
    ]);
    quiet(&[
        "redact", whole, "-q", "-o", &two, "--hash", "all", "--key", key,
    ]);
    quiet(&["redact", whole, "-q", "-o", &other, "--hash", "all"]);
    let show = |capture: &str| {
        quiet(&[
            "read",
            capture,
            "-p",
            "*%evt.num %evt.type %fd.name %proc.name %proc.exepath %proc.cwd %container.id %user.name %evt.hostname",
        ])
    };
    assert_eq!(show(&one), show(&two));
    assert_ne!(show(&one), show(&other));
    assert_eq!(show(&one).lines().count(), show(whole).lines().count());
    // The directory of a file and of a program is one, a file of the container is in it.
    let values = |fields: &str, filter: &str| quiet(&["read", &one, "-p", fields, filter]);
    let opened = values("%fd.name", "evt.type=openat");
    let cwd = values("%proc.exepath", "evt.type=openat");
    let dir_of = |text: &str| text.trim().split('/').take(3).collect::<Vec<_>>().join("/");
    let parent = dir_of(&cwd);
    assert!(
        parent.len() > 10 && opened.contains(&format!("{parent}/")),
        "{opened} {cwd}"
    );
    let id = values("%container.id %container.name", "evt.type=openat");
    assert!(
        !id.contains("host") && id.trim().split(' ').all(|word| word.len() >= 12),
        "{id}"
    );

    // A report of what was changed.
    let report = quiet(&["redact", whole, "-o", &two, "--hash", "paths,ips", "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(
        report["payloads_dropped"].as_u64().unwrap() >= 2,
        "{report}"
    );
    assert!(
        report["environments_dropped"].as_u64().unwrap() >= 2,
        "{report}"
    );
    for kind in [
        "private key",
        "AWS key",
        "GitHub token",
        "JWT",
        "Slack token",
        "GCP key",
        "named secret",
        "secret argument",
    ] {
        assert!(
            report["secrets"][kind].as_u64().unwrap_or(0) > 0,
            "{kind} {report}"
        );
    }
    assert!(
        report["pseudonyms"]["paths"].as_u64().unwrap() > 2,
        "{report}"
    );
    assert!(
        report["left_out"].as_object().unwrap().len() >= 2,
        "{report}"
    );

    // A forged event in a redacted capture is found, where redaction changes nothing.
    let (out, _, code) = seen(&scap(&["verify", &one, "--parent", whole], None));
    assert!(
        out.contains("not compared, since redaction changes it: ") && code == 0,
        "{out}"
    );
    let short = file(dir.path(), "short", b"0123");
    let (_, err, code) = seen(&scap(
        &[
            "redact",
            whole,
            "-o",
            &two,
            "--key",
            short.to_str().unwrap(),
        ],
        None,
    ));
    assert!(err.contains("less than 16 bytes") && code == 2, "{err}");
}

#[test]
fn redacted_samples_are_intact_and_have_the_same_events() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.scap");
    let out = out.to_str().unwrap();
    for sample in ["sample.scap", "intrusion.scap"] {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("testdata")
            .join(sample);
        let sample = sample.to_str().unwrap();
        quiet(&["redact", sample, "-q", "-o", out, "--hash", "all"]);
        quiet(&["verify", out, "--parent", sample]);
        let show = |capture: &str| {
            quiet(&[
                "read",
                capture,
                "-p",
                "%evt.rawtime %thread.tid %proc.pid %evt.type %evt.res %fd.num %fd.type",
            ])
        };
        assert!(show(out) == show(sample));
    }
}
