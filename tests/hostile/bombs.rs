//! Small captures that are much work for whoever multiplies what they count: each command has [`run::SECONDS`] and
//! [`run::BYTES`] for each of them.

use crate::common::{event, i64b, story, write};
use crate::native::{CHUNK, Chunk, File, SNAPSHOT, Section, header, pack};
use crate::run;
use crate::value::Value;
use scap_capture_format::schema::types;

/// Positions in a snapshot.
const STRINGS: usize = 2;
const THREADS: usize = 3;
const FDS: usize = 4;
const USERS: usize = 6;
const CONTAINERS: usize = 8;
/// Positions in a thread.
const CGROUPS: usize = 17;
const CONTAINER: usize = 18;

fn file() -> File {
    File::of(&write(&story(), 3, true))
}

/// Changes the first snapshot; the index has the right lengths.
fn with_snapshot(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut file = file();
    let at = file.all(SNAPSHOT)[0];
    let mut value = file.sections[at].value().unwrap();
    change(&mut value);
    file.sections[at].set(&value);
    file.repair_index();
    file.bytes()
}

/// Makes many threads of the first one, each changed by its number.
fn threads(snapshot: &mut Value, count: i64, change: impl Fn(i64, &mut Value)) {
    let first = snapshot.at(&[THREADS, 0]).clone();
    let threads = (1..=count).map(|tid| {
        let mut thread = first.clone();
        for id in [0, 1] {
            *thread.at(&[id]) = Value::Int(tid);
        }
        change(tid, &mut thread);
        thread
    });
    *snapshot.at(&[THREADS]).items() = threads.collect();
}

/// Adds a string, and returns its number.
fn string(snapshot: &mut Value, bytes: Vec<u8>) -> Value {
    let strings = snapshot.at(&[STRINGS]).items();
    strings.push(Value::Text(bytes));
    Value::Uint(strings.len() as u64)
}

/// Runs every command, which have to agree, and a few scripts.
fn check(name: &str, bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{name}.scap"));
    std::fs::write(&path, bytes).unwrap();
    let opinion = run::opinion(dir.path(), &path);
    run::rules(dir.path(), &path, opinion);
    let path = path.to_str().unwrap();
    run::scap(
        dir.path(),
        &[
            "read",
            "-q",
            path,
            "proc.aname=nobody and container.id=nothing",
        ],
    );
    run::scap(dir.path(), &["read", "--from", "+0s", "-q", path]);
}

#[test]
fn threads_of_one_long_cgroup_list() {
    for list in [
        vec![b'A'; 4_000_000],
        b"/a".repeat(2_000_000),
        b"io=/\0".repeat(800_000),
    ] {
        check(
            "cgroups",
            &with_snapshot(|v| {
                let cgroups = string(v, list);
                threads(v, 20_000, |_, thread| {
                    *thread.at(&[CGROUPS]) = cgroups.clone();
                });
            }),
        );
    }
}

#[test]
fn events_in_a_container_deep_down() {
    // Two threads by turns, so that nothing that is known of the last one helps.
    let close = |nr: u64| {
        let tid = 100 + i64::from(nr % 2 == 1);
        event(
            1000 * nr,
            tid,
            types::SYSCALL_CLOSE_X,
            &[&i64b(0), &i64b(7)],
        )
    };
    let events: Vec<_> = (0..10_000).map(close).collect();
    let mut file = File::of(&write(&events, 5000, true));
    let at = file.all(SNAPSHOT)[0];
    let mut value = file.sections[at].value().unwrap();
    let list = format!("memory=/docker/{}{}\0", "0".repeat(64), "/a".repeat(32_000));
    let cgroups = string(&mut value, list.into_bytes());
    let other = string(&mut value, b"another".to_vec());
    for thread in value.at(&[THREADS]).items() {
        *thread.at(&[CGROUPS]) = cgroups.clone();
        // The container that the snapshot says is not that of the cgroups.
        *thread.at(&[CONTAINER]) = other.clone();
    }
    file.sections[at].set(&value);
    file.repair_index();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep.scap");
    std::fs::write(&path, file.bytes()).unwrap();
    run::opinion(dir.path(), &path);
    let path = path.to_str().unwrap();
    let full_id = "0".repeat(64);
    let filter = format!("container.type=docker and container.full_id={full_id}");
    let found = run::scap(dir.path(), &["read", path, &filter, "-p", "%container.id"]);
    assert_eq!(found.out, b"another\n".repeat(10_000));
    run::scap(dir.path(), &["containers", path]);
}

#[test]
fn threads_of_long_shared_texts() {
    check(
        "texts",
        &with_snapshot(|v| {
            let text = string(v, vec![b'B'; 4_000_000]);
            threads(v, 10_000, |_, thread| {
                for field in 10..=17 {
                    *thread.at(&[field]) = text.clone();
                }
            });
        }),
    );
}

#[test]
fn ancestors_in_a_cycle() {
    check(
        "cycle",
        &with_snapshot(|v| {
            threads(v, 50_000, |tid, thread| {
                *thread.at(&[2]) = Value::Int(tid % 50_000 + 1);
            });
        }),
    );
}

#[test]
fn fds_of_every_thread_in_one_table() {
    check(
        "fds",
        &with_snapshot(|v| {
            threads(v, 30_000, |_, thread| *thread.at(&[1]) = Value::Int(1));
            let mut fd = v.at(&[FDS, 0]).clone();
            let fds = (0..100_000).map(|number| {
                *fd.at(&[0]) = Value::Int(number % 30_000 + 1);
                *fd.at(&[1]) = Value::Int(number);
                fd.clone()
            });
            *v.at(&[FDS]).items() = fds.collect();
        }),
    );
}

#[test]
fn users_and_containers() {
    check(
        "users",
        &with_snapshot(|v| {
            let long = string(v, vec![b'u'; 60_000]);
            let json = string(
                v,
                [
                    b"{\"container\":{\"id\":\"x\",\"labels\":{".to_vec(),
                    b"\"a\":\"b\",".repeat(20_000),
                ]
                .concat(),
            );
            let uint = Value::Uint;
            let user = |uid| {
                Value::Struct(vec![
                    long.clone(),
                    uint(uid),
                    uint(1),
                    long.clone(),
                    long.clone(),
                    long.clone(),
                ])
            };
            *v.at(&[USERS]).items() = (0..60_000).map(user).collect();
            let container = Value::Struct(vec![long.clone(), json]);
            *v.at(&[CONTAINERS]).items() = vec![container; 5_000];
        }),
    );
}

#[test]
fn headers_in_headers() {
    let file = file();
    let tag = &file.preamble[12..16];
    for len in [1 << 27, 1 << 20, 64, 1 << 40] {
        let mut bytes = file.preamble.clone();
        bytes.extend(header(tag, &file.sections[0], 0));
        bytes.extend_from_slice(&file.sections[0].body);
        let mut nested = Section::new(CHUNK, Vec::new());
        nested.len = Some(len);
        for number in 1..100_000 {
            bytes.extend(header(tag, &nested, number));
        }
        check("nested", &bytes);
    }
}

#[test]
fn markers_only() {
    let mut bytes = file().preamble;
    bytes.extend([0xd5, 0x1e, 0xa7, 0x9c, 0x42, 0xf0, 0x6b, 0x83].repeat(500_000));
    check("markers", &bytes);
}

#[test]
fn many_sections_of_nothing() {
    let mut file = file();
    let end = file.sections.len() - 2;
    for kind in [99, 7] {
        let empty = Section::new(kind, pack(&[0, 0]));
        file.sections
            .splice(end..end, std::iter::repeat_n(empty, 50_000));
    }
    file.repair_index();
    check("sections", &file.bytes());
}

#[test]
fn many_chunks_of_nothing_and_many_small_ones() {
    let mut empty = file();
    let at = empty.all(CHUNK)[0];
    let mut chunk = Chunk::of(&empty.sections[at]).unwrap();
    chunk.streams.clear();
    for field in 3..=16 {
        match chunk.head.at(&[0, field]) {
            Value::Uint(number) => *number = 0,
            Value::List(items) => items.clear(),
            Value::Enum(_, fields) => fields[0].items().clear(),
            _ => {}
        }
    }
    (0..2).for_each(|field| *chunk.head.at(&[0, field]) = Value::Uint(0));
    let section = Section::new(CHUNK, chunk.body());
    empty
        .sections
        .splice(at..at, std::iter::repeat_n(section, 30_000));
    empty.repair_index();
    check("empty-chunks", &empty.bytes());
    let mut small = file();
    let section = small.sections[at].clone();
    small
        .sections
        .splice(at..at, std::iter::repeat_n(section, 5_000));
    small.repair_index();
    check("small-chunks", &small.bytes());
}

#[test]
fn snapshots_between_all_chunks() {
    let mut file = file();
    let (snapshot, chunk) = (file.all(SNAPSHOT)[0], file.all(CHUNK)[0]);
    let pair = [
        file.sections[snapshot].clone(),
        file.sections[chunk].clone(),
    ];
    let pairs = std::iter::repeat_n(pair, 1_500).flatten();
    file.sections.splice(chunk..chunk, pairs);
    file.repair_index();
    check("snapshots", &file.bytes());
}

#[test]
fn a_chunk_that_expands_a_thousandfold() {
    let mut file = file();
    let at = file.all(CHUNK)[0];
    let mut chunk = Chunk::of(&file.sections[at]).unwrap();
    let (_, _, bytes) = chunk.streams.last_mut().unwrap();
    bytes.resize(120 << 20, 0);
    let bomb = Section::new(CHUNK, chunk.body());
    file.sections.splice(at..at, std::iter::repeat_n(bomb, 4));
    file.repair_index();
    check("expands", &file.bytes());
}

#[test]
fn an_index_of_many_chunks() {
    let mut file = file();
    let at = file.sections.len() - 2;
    let mut value = file.sections[at].value().unwrap();
    let chunk = value.at(&[0, 0]).clone();
    *value.at(&[0]).items() = vec![chunk; 300_000];
    file.sections[at].set(&value);
    check("index", &file.bytes());
}

#[test]
fn processes_as_many_as_there_can_be() {
    let bytes = with_snapshot(|v| {
        threads(v, 262_144, |tid, thread| {
            *thread.at(&[2]) = Value::Int(tid / 2);
        });
    });
    check("threads", &bytes);
}

#[test]
fn containers_of_many_origins() {
    let mut file = file();
    // A capture that says it was merged from 10,000 recordings.
    file.preamble[8] = 2;
    let mut header = file.sections[0].value().unwrap();
    let machine = header.at(&[0]).clone();
    let origin = Value::Struct(vec![
        Value::Text(b"a.scap".to_vec()),
        machine,
        Value::Byte(0),
        Value::Byte(0),
        Value::List(Vec::new()),
    ]);
    let mut origins = Vec::new();
    Value::List(vec![origin; 10_000]).encode(&mut origins);
    let entry = Value::Struct(vec![Value::Uint(0x4f52_4947), Value::Text(pack(&origins))]);
    header.at(&[6]).items().push(entry);
    file.sections[0].set(&header);
    let container = |number: u64| {
        let id = format!("{number:012x}");
        let name = "n".repeat(1000);
        let json = format!(r#"{{"container":{{"id":"{id}","name":"{name}","image":"x"}}}}"#);
        Value::Struct(vec![
            Value::Uint(number),
            Value::Text(id.into_bytes()),
            Value::Text(json.into_bytes()),
        ])
    };
    let containers = (0..1000).map(container).collect();
    let mut report = Vec::new();
    Value::Struct(vec![Value::List(containers), Value::List(Vec::new())]).encode(&mut report);
    let at = file.all(CHUNK)[0];
    file.sections.insert(at, Section::new(7, pack(&report)));
    file.repair_index();
    check("origins", &file.bytes());
}
