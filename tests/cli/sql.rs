//! `scap sql`: its table compared with what `read` prints, and queries that must not do harm.
#![cfg(feature = "sql")]
#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use scap::tables::{ColumnType, EVENTS, Source};
use serde_json::Value;
use tempfile::tempdir;

use crate::common::{file, scap, seen};
use crate::dice::Dice;

const INTRUSION: &str = "testdata/intrusion.scap";
const SAMPLE: &str = "testdata/sample.scap";

/// Returns the rows of a query, the messages and the exit code.
fn sql(query: &str, args: &[&str]) -> (Vec<Value>, String, i32) {
    let (out, err, code) = seen(&scap(&[&["sql", "-j", query], args].concat(), None));
    let rows = out.lines().map(|line| serde_json::from_str(line).unwrap());
    (rows.collect(), err, code)
}

fn number(query: &str, args: &[&str]) -> i64 {
    let (rows, err, code) = sql(&format!("SELECT ({query}) AS n"), args);
    assert_eq!((code, rows.len()), (0, 1), "{query}: {err}");
    rows[0]["n"].as_i64().unwrap()
}

/// Captures of several kinds.
fn captures() -> Vec<Vec<String>> {
    let mut all = vec![
        vec![INTRUSION.to_owned()],
        vec![SAMPLE.to_owned()],
        vec![SAMPLE.to_owned(), INTRUSION.to_owned()],
    ];
    if let Ok(data) = std::env::var("SCAP_TEST_DATA") {
        let shared = PathBuf::from(data).join("captures");
        for name in ["libs-curl-google.scap", "falco-connect-localhost.scap"] {
            all.push(vec![shared.join(name).to_str().unwrap().to_owned()]);
        }
    }
    all
}

fn borrowed(files: &[String]) -> Vec<&str> {
    files.iter().map(String::as_str).collect()
}

#[test]
fn columns_have_what_read_prints() {
    // Bytes are shown in another form.
    let columns: Vec<(&str, &str, ColumnType)> = EVENTS
        .iter()
        .filter(|column| !matches!(column.ty, ColumnType::Blob | ColumnType::List))
        .filter_map(|column| match column.source {
            Source::Field(field) => Some((column.name, field, column.ty)),
            _ => None,
        })
        .collect();
    assert!(columns.len() > 50);
    let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
    let fields: Vec<&str> = columns.iter().map(|(_, field, _)| *field).collect();
    let format = format!("*%{}", fields.join("\x1f%"));
    for files in captures() {
        let files = borrowed(&files);
        let (printed, _, _) = seen(&scap(&[&["read", "-p", &format], &*files].concat(), None));
        let (rows, err, _) = sql(&format!("SELECT {} FROM events", names.join(", ")), &files);
        assert_eq!(rows.len(), printed.lines().count(), "{files:?}: {err}");
        assert!(!rows.is_empty());
        for (line, row) in printed.lines().zip(&rows) {
            for ((name, _, ty), printed) in columns.iter().zip(line.split('\x1f')) {
                let value = match (&row[name], ty) {
                    (Value::Null, _) => "<NA>".to_owned(),
                    (Value::Number(n), ColumnType::Boolean) => (n.as_i64() == Some(1)).to_string(),
                    (Value::Number(n), _) => n.to_string(),
                    (value, _) => value.as_str().unwrap().to_owned(),
                };
                // Both forms are exact where nothing is escaped.
                if !printed.contains('\\') && !value.contains('\\') {
                    assert_eq!(value, printed, "{name} of {row}");
                }
            }
        }
    }
}

#[test]
fn own_columns_follow_from_others() {
    for files in [[INTRUSION], [SAMPLE]] {
        for wrong in [
            "failed = 1 AND errno IS NULL",
            "failed = 0 AND errno IS NOT NULL",
            "time_us IS NOT human_time(time_ns)",
            "capture NOT LIKE '%.scap'",
            "json_valid(arg) = 0",
            "args IS NOT NULL AND json_valid(args) = 0",
            "anames IS NOT NULL AND json_extract(anames, '$[0]') IS NOT pname",
            "apids IS NOT NULL AND json_extract(apids, '$[0]') IS NOT ppid",
            "json_extract(arg, '$.flags') IS NOT flags",
            "latency_ns = 0",
            "latency_ns IS NOT NULLIF(field('evt.latency'), 0)",
            "evt_type = 'openat' AND syscall <> 257",
            "proc_id IS NOT NULL AND length(proc_id) <> 22",
            "\"proc.name\" IS NOT proc_name OR field('fd.name') IS NOT fd_name",
        ] {
            let query = format!("SELECT count(*) FROM events WHERE {wrong}");
            assert_eq!(number(&query, &files), 0, "{wrong}");
        }
        for right in [
            "failed = 1",
            "args LIKE '[\"%'",
            "apids LIKE '[%'",
            "data IS NOT NULL",
        ] {
            let query = format!("SELECT count(*) FROM events WHERE {right}");
            assert!(number(&query, &files) > 0, "{right}");
        }
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// A condition with values of a row.
fn condition(dice: &mut Dice, rows: &[Value], depth: usize) -> String {
    if depth > 0 && dice.up_to(3) == 0 {
        let parts = [0; 2].map(|_| condition(dice, rows, depth - 1));
        let [a, b] = parts;
        return match dice.up_to(3) {
            0 => format!("({a} AND {b})"),
            1 => format!("({a} OR {b})"),
            _ => format!("({a} AND NOT {b})"),
        };
    }
    let row = rows[dice.up_to(rows.len())].as_object().unwrap();
    let (name, value) = row.iter().nth(dice.up_to(row.len())).unwrap();
    let other = &rows[dice.up_to(rows.len())][name];
    let (own, other) = (literal(value), literal(other));
    let text = value.as_str().unwrap_or("x").replace('\'', "''");
    let middle: String = text.chars().skip(1).take(4).collect();
    let class: String = middle
        .chars()
        .take(1)
        .chain("0123456789xyz".chars())
        .collect();
    let other_case = literal(&Value::from(text.to_uppercase()));
    match dice.up_to(16) {
        0..=2 => format!("{name} = {own}"),
        3 => format!("{name} IN ({own}, {other})"),
        4 => format!("{name} BETWEEN {own} AND {other}"),
        5 => format!("{name} >= {own}"),
        6 => format!("{name} < {own}"),
        7 => format!("{name} LIKE '%{}%'", middle.to_uppercase()),
        8 => format!("{name} GLOB '*{middle}*'"),
        12 => format!("{name} GLOB '*[{class}]*'"),
        13 => format!("{name} GLOB '[^{class}]*'"),
        14 => format!("{name} = {other_case} COLLATE NOCASE"),
        15 => format!("{name} COLLATE NOCASE IN ({other_case}, {own} || ' ')"),
        9 => format!("{name} IS NULL"),
        10 => format!("{name} IS NOT NULL"),
        // Of another type than the column, which SQLite converts.
        _ => match value {
            Value::Number(n) => format!("{name} = '{n}'"),
            _ => format!("{name} = 5"),
        },
    }
}

#[test]
fn conditions_that_become_filters_change_no_result() {
    let rounds = std::env::var("SCAP_RANDOM_FILTERS").map_or(10, |n| n.parse().unwrap());
    for files in captures() {
        let files = borrowed(&files);
        // Columns that are expensive in a debug build.
        let odd = ["arg", "data", "cap_effective", "pcmdline"];
        let names = EVENTS
            .iter()
            .map(|c| c.name)
            .filter(|name| !odd.contains(name));
        let names: Vec<&str> = names.collect();
        let (rows, ..) = sql(&format!("SELECT {} FROM events", names.join(", ")), &files);
        let mut dice = Dice(11);
        let mut found = 0;
        for _ in 0..rounds {
            let condition = condition(&mut dice, &rows, 2);
            let query = format!("SELECT num, tid, evt_type FROM events WHERE {condition}");
            let (with, err, _) = sql(&query, &files);
            let (without, ..) = sql(&query, &[&files[..], &["--no-skip"]].concat());
            assert_eq!(with, without, "{condition}: {err}");
            found += usize::from(!with.is_empty());
        }
        assert!(found > rounds / 4, "{found} of {rounds}");
    }
}

#[test]
fn classes_and_collations_lose_no_row() {
    for condition in [
        "proc_name GLOB 'b[abcdefgh]sh'",
        "fd_name GLOB '*[0123456789abcdef]*'",
        "fd_name GLOB '[^abcdefghijk]etc*'",
        "proc_name = 'BASH' COLLATE NOCASE",
        "proc_name COLLATE NOCASE IN ('BASH', 'LS')",
        "proc_name IS 'PERL' COLLATE NOCASE",
        "\"proc.name\" = 'PERL' COLLATE NOCASE",
        "proc_name = 'bash ' COLLATE RTRIM",
        // Fields that compare events.
        "proc_name = 'bash' AND \"evt.deltatime\" < 20000",
        "proc_name = 'bash' AND \"evt.reltime\" > 1000",
    ] {
        let query = format!("SELECT count(*) FROM events WHERE {condition}");
        let found = number(&query, &[INTRUSION]);
        assert!(found > 0, "{condition}");
        assert_eq!(
            found,
            number(&query, &[INTRUSION, "--no-skip"]),
            "{condition}"
        );
    }
    let groups = |from: &str| {
        let query = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {from} GROUP BY proc_name || substr('xX', 1 + num % 2, 1) \
             COLLATE NOCASE)"
        );
        number(&query, &[INTRUSION])
    };
    assert_eq!(
        groups("events"),
        groups("(SELECT DISTINCT proc_name, num FROM events)")
    );
}

#[test]
fn groups_are_counted_as_their_rows_are() {
    for files in [&[INTRUSION][..], &[SAMPLE, INTRUSION]] {
        for (columns, aggregate) in [
            ("proc_name", "count(*)"),
            ("evt_type, proc_name", "count(*)"),
            ("proc_name", "count(DISTINCT evt_type)"),
            ("fd_name", "max(proc_name)"),
            ("container_id", "sum(failed)"),
            ("uid", "min(pid)"),
            // Columns with many values are not counted.
            ("proc_name", "sum(bytes)"),
        ] {
            let grouped = format!("SELECT {columns}, {aggregate} FROM events GROUP BY {columns}");
            let rows = format!(
                "WITH e AS MATERIALIZED (SELECT proc_name, evt_type, fd_name, container_id, failed, uid, pid, \
                 bytes FROM events) \
                 SELECT {columns}, {aggregate} FROM e GROUP BY {columns}"
            );
            let sorted = |query: &str| {
                let (rows, err, code) = sql(query, files);
                assert_eq!(code, 0, "{err}");
                let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
                rows.sort();
                rows
            };
            let grouped = sorted(&grouped);
            assert!(!grouped.is_empty());
            assert_eq!(grouped, sorted(&rows), "{columns} {aggregate}");
        }
        let distinct = "SELECT count(*) FROM (SELECT DISTINCT tid, evt_type FROM events)";
        let groups = "SELECT count(*) FROM (SELECT 1 FROM events GROUP BY tid, evt_type)";
        assert_eq!(number(distinct, files), number(groups, files));
    }
}

#[test]
fn tables_of_the_state_have_what_their_commands_print() {
    for files in [&[INTRUSION][..], &[SAMPLE, INTRUSION]] {
        for at in ["end", "start", "+1s"] {
            for (table, command) in [
                ("processes", &["ps"][..]),
                ("process_history", &["ps", "--history"]),
                ("threads", &["ps", "--threads"]),
                ("fds", &["lsof"]),
                ("sockets", &["netstat"]),
                ("users", &["users"]),
            ] {
                let args = [command, files, &["--at", at, "--json"]].concat();
                let (printed, ..) = seen(&scap(&args, None));
                let expected: Vec<Value> = printed
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect();
                let args = [files, &["--at", at]].concat();
                let (rows, err, code) = sql(&format!("SELECT * FROM {table}"), &args);
                assert_eq!(
                    (code, rows.len()),
                    (0, expected.len()),
                    "{table} {at}: {err}"
                );
                for (row, expected) in rows.iter().zip(&expected) {
                    for (name, value) in row.as_object().unwrap() {
                        let text = match &expected[name] {
                            list @ (Value::Array(_) | Value::Object(_)) => list.to_string().into(),
                            other => other.clone(),
                        };
                        assert_eq!(*value, text, "{name} of {table} {at}");
                    }
                }
            }
        }
    }
    let events = "SELECT count(DISTINCT e.pid) FROM events e WHERE evt_type = 'execve'";
    let joined = "SELECT count(DISTINCT h.pid) FROM process_history h \
                  WHERE pid IN (SELECT pid FROM events WHERE evt_type = 'execve')";
    assert_eq!(number(events, &[INTRUSION]), number(joined, &[INTRUSION]));
}

#[test]
fn views_have_the_names_of_other_tools() {
    let count = |filter: &str| {
        let (printed, ..) = seen(&scap(&["read", INTRUSION, filter], None));
        i64::try_from(printed.lines().count()).unwrap()
    };
    let executed = count("evt.type in (execve, execveat) and evt.failed=false");
    let view = "SELECT count(*) FROM cim_processes";
    assert!(executed > 100);
    assert_eq!(number(view, &[INTRUSION]), executed);
    let deleted = count("evt.type in (unlink, unlinkat, rmdir) and evt.failed=false");
    let view = "SELECT count(*) FROM cim_filesystem WHERE action = 'deleted'";
    assert!(deleted > 0);
    assert_eq!(number(view, &[INTRUSION]), deleted);
    let accepted = count("evt.type in (accept, accept4) and evt.failed=false and fd.sip exists");
    let view = "SELECT count(*) FROM cim_network WHERE direction = 'inbound'";
    assert!(accepted > 0);
    assert_eq!(number(view, &[INTRUSION]), accepted);
    let read = "SELECT count(*) FROM cim_filesystem WHERE file_path = '/etc/passwd' AND \
                file_name = 'passwd' AND action = 'read'";
    let filter =
        "evt.type=openat and fd.name=/etc/passwd and evt.failed=false and evt.is_open_write=false";
    assert!(count(filter) > 0);
    assert_eq!(number(read, &[INTRUSION]), count(filter));
}

#[test]
fn order_joins_and_filters() {
    let files = [INTRUSION];
    let (rows, ..) = sql("SELECT num FROM events ORDER BY num", &files);
    let numbers: Vec<i64> = rows
        .iter()
        .map(|row| row["num"].as_i64().unwrap())
        .collect();
    assert!(numbers.is_sorted() && numbers.len() > 100);
    let (rows, ..) = sql("SELECT num FROM events ORDER BY num DESC LIMIT 1", &files);
    assert_eq!(rows[0]["num"].as_i64(), numbers.last().copied());
    // The filter language within a query.
    let filter = "proc.name in (bash, ls) and evt.failed=true";
    let (printed, ..) = seen(&scap(&["read", INTRUSION, filter], None));
    let query = format!("SELECT count(*) FROM events WHERE filter = '{filter}' AND num > 0");
    assert_eq!(
        number(&query, &files),
        i64::try_from(printed.lines().count()).unwrap()
    );
    // The same events, found twice.
    let query = "SELECT count(*) FROM events a JOIN events b ON a.num = b.num \
                 WHERE a.proc_name = 'ls' AND b.proc_name = 'ls' AND a.evt_type = 'execve'";
    let alone = "SELECT count(*) FROM events WHERE proc_name = 'ls' AND evt_type = 'execve'";
    assert_eq!(number(query, &files), number(alone, &files));
    // Scans that are united, in which some rows are twice.
    for files in [&[INTRUSION][..], &[SAMPLE, INTRUSION]] {
        let parts = ["proc_name = 'ls'", "evt_type = 'execve'"];
        let any = format!("SELECT count(*) FROM events WHERE {}", parts.join(" OR "));
        let both = format!("SELECT count(*) FROM events WHERE {}", parts.join(" AND "));
        let one = |at: usize| format!("SELECT count(*) FROM events WHERE {}", parts[at]);
        let sum = number(&one(0), files) + number(&one(1), files) - number(&both, files);
        assert_eq!(number(&any, files), sum);
        // A filter is a scan of its own, or refused.
        let query =
            "SELECT count(*) AS n FROM events WHERE filter = 'proc.name=ls' OR evt_type = 'execve'";
        let (rows, err, code) = sql(query, files);
        match code {
            0 => assert_eq!(rows[0]["n"], sum),
            _ => assert!(err.contains("filter: "), "{err}"),
        }
        let rows = "SELECT count(*) FROM (SELECT DISTINCT rowid FROM events)";
        assert_eq!(
            number(rows, files),
            number("SELECT count(*) FROM events", files)
        );
    }
    let processes = "SELECT count(DISTINCT proc_id) FROM events";
    let pids = "SELECT count(DISTINCT pid) FROM events WHERE proc_id IS NOT NULL";
    assert!(number(processes, &files) >= number(pids, &files));
    // Lists.
    let dir = tempdir().unwrap();
    let names = file(
        dir.path(),
        "names.csv",
        b"name,why\nls,\"lists, much\"\nnosuch,x\n",
    );
    let more = file(dir.path(), "more.json", b"[{\"name\": \"ls\", \"n\": 1}]");
    let csv = format!("names={}", names.to_str().unwrap());
    let json = format!("more={}", more.to_str().unwrap());
    let args = [INTRUSION, "--table", &csv, "--table", &json];
    let query = "SELECT count(*) FROM events JOIN names ON proc_name = name \
                 JOIN more USING (name) WHERE why = 'lists, much' AND evt_type = 'execve'";
    assert_eq!(number(query, &args), number(alone, &files));
    let query = "SELECT count(*) FROM events \
                 WHERE proc_name IN (SELECT name FROM names) AND evt_type = 'execve'";
    assert_eq!(number(query, &args), number(alone, &files));
    let (_, err, code) = sql("SELECT 1", &[INTRUSION, "--table", "x=/nosuch"]);
    assert!(code == 1 && err.contains("/nosuch"), "{err}");
}

#[test]
fn results_have_the_form_that_was_asked_for() {
    let query = "SELECT 'a,\"b\"' AS \"x|y\", 1.5 AS n, NULL AS z, x'00ff' AS b, char(27, 91) AS e";
    let printed = |format: &str| {
        let args = ["sql", "--format", format, query, SAMPLE];
        let (out, err, code) = seen(&scap(&args, None));
        assert_eq!(code, 0, "{err}");
        out
    };
    assert_eq!(
        printed("csv"),
        "x|y,n,z,b,e\r\n\"a,\"\"b\"\"\",1.5,,00ff,\u{1b}[\r\n"
    );
    assert_eq!(
        printed("jsonl"),
        "{\"x|y\":\"a,\\\"b\\\"\",\"n\":1.5,\"z\":null,\"b\":\"00ff\",\"e\":\"\\u001b[\"}\n"
    );
    assert_eq!(
        printed("markdown"),
        "| x\\|y | n | z | b | e |\n| --- | --- | --- | --- | --- |\n\
         | a,\"b\" | 1.5 |  | 00ff | \\x1b[ |\n"
    );
    let table = printed("table");
    assert!(
        table.contains("a,\"b\"") && !table.contains('\u{1b}'),
        "{table}"
    );
    let none = [
        "sql",
        "--format",
        "table",
        "SELECT num FROM events WHERE 0",
        SAMPLE,
    ];
    assert_eq!(seen(&scap(&none, None)).0, "num\n");
}

#[test]
fn queries_do_nothing_but_read() {
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    let many = format!("SELECT 1 {}", "UNION SELECT 1 ".repeat(1000));
    for query in [
        "ATTACH '/tmp/x' AS y",
        "PRAGMA journal_mode",
        "SELECT load_extension('x')",
        "CREATE TABLE t(a)",
        "CREATE TEMP TABLE t(a)",
        "DROP TABLE events",
        "INSERT INTO events(num) VALUES (1)",
        "DELETE FROM events",
        "VACUUM INTO '/tmp/x'",
        "SELECT 1; SELECT 2",
        "BEGIN",
        "SELECT * FROM pragma_database_list",
        "SELECT nosuch FROM events",
        "SELECT field('no.such') FROM events",
        "SELECT * FROM events WHERE filter = 'proc.nam = x'",
        "SELECT * FROM events WHERE filter = 5",
        "SELECT * FROM events WHERE NOT filter = 'proc.name = x'",
        "SELECT * FROM events WHERE filter <> 'proc.name = x'",
        "SELECT filter FROM events",
        "/* nothing */",
        &deep,
        &many,
    ] {
        let (rows, err, code) = sql(query, &[SAMPLE]);
        assert_eq!(code, 1, "{query:.50}: {err}");
        assert!(
            rows.is_empty() && err.starts_with("scap: error: "),
            "{query:.50}: {err}"
        );
        assert!(err.len() < 500, "{err}");
    }
    let dir = tempdir().unwrap();
    let query = file(dir.path(), "long.sql", long.as_bytes());
    let args = ["sql", "-f", query.to_str().unwrap(), SAMPLE];
    let (_, err, code) = seen(&scap(&args, None));
    assert!(code == 1 && err.contains("longer than"), "{err}");
    // More memory than it may have.
    for query in [
        "SELECT group_concat(hex(zeroblob(1000))) FROM events",
        "SELECT zeroblob(100000000)",
        "SELECT count(*) FROM (SELECT DISTINCT hex(zeroblob(2000)) || num FROM events)",
        "SELECT a.num FROM events a, events b ORDER BY b.evt_type || hex(zeroblob(1000))",
    ] {
        let (_, err, code) = sql(query, &[INTRUSION, "--memory", "16"]);
        assert!(code == 1 && err.contains("memory"), "{query}: {err}");
    }
}

#[test]
fn the_columns_are_listed() {
    let (out, _, code) = seen(&scap(&["sql", "--tables"], None));
    assert_eq!(code, 0);
    for column in EVENTS {
        assert!(out.contains(column.name) && out.contains(column.about));
    }
    let mut kinds = BTreeMap::new();
    for column in EVENTS {
        *kinds.entry(column.name).or_insert(0) += 1;
        assert!(!column.about.is_empty() && column.about.len() < 80);
    }
    assert!(kinds.values().all(|count| *count == 1), "a name twice");
}
