//! Views that scripts describe: with `-c`, and among the views of `scap view`.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use scap::stats::table::View;
use serde_json::Value;
use tempfile::TempDir;

/// By process; its rows lead to the files. The name comes before those of stock views, if there are any.
const PROCESSES: &str = r#"
view_info = {
    id = "mine", name = "A processes", description = "What processes did.",
    applies_to = {""}, use_defaults = true, filter = "evt.type != futex",
    drilldown_target = "mine_files",
    columns = {
        {name = "NA", field = "thread.tid", is_key = true},
        {name = "NA", field = "proc.pid", is_groupby_key = true},
        {name = "PID", field = "proc.pid", colsize = 8},
        {name = "EVENTS", field = "evt.count", colsize = 8, aggregation = "SUM",
         groupby_aggregation = "SUM", is_sorting = true},
        {name = "RATE", field = "evt.count", colsize = 8, aggregation = "TIME_AVG",
         groupby_aggregation = "SUM"},
        {name = "NAME", field = "proc.name", colsize = 0},
    },
}
"#;

const FILES: &str = r#"
view_info = {
    id = "mine_files", name = "B files", applies_to = {"proc.pid"}, use_defaults = true,
    filter = "fd.type = file",
    columns = {
        {name = "NA", field = "fd.name", is_key = true},
        {name = "EVENTS", field = "evt.count", colsize = 8, aggregation = "SUM", is_sorting = true},
        {name = "FILE", field = "fd.name", colsize = 0},
    },
}
"#;

const COMMANDS: &str = r#"
view_info = {
    id = "mine_commands", name = "C commands", view_type = "list", applies_to = {""},
    filter = "evt.type = execve and evt.failed = false",
    columns = {
        {name = "TIME", field = "evt.time", colsize = 19},
        {name = "COMMAND", field = "proc.exeline", colsize = 0},
    },
}
"#;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap")
}

/// Writes scripts into a directory.
fn scripts(scripts: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in scripts {
        fs::write(dir.path().join(format!("{name}.lua")), text).unwrap();
    }
    dir
}

fn mine() -> TempDir {
    scripts(&[
        ("v_mine", PROCESSES),
        ("v_mine_files", FILES),
        ("v_mine_commands", COMMANDS),
    ])
}

fn scap(scripts: &TempDir, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
    let command = command.args(args).env("TZ", "UTC");
    let command = command.env("SCAP_CHISEL_DIR", scripts.path());
    command.env("HOME", scripts.path()).output().unwrap()
}

fn read(scripts: &TempDir, args: &[&str]) -> String {
    let sample = sample();
    let output = scap(
        scripts,
        &[&["read", sample.to_str().unwrap()], args].concat(),
    );
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the screen after some keys.
fn screen(scripts: &TempDir, keys: &str) -> String {
    let sample = sample();
    let words = ["view", sample.to_str().unwrap(), "--size", "120x40"];
    let keys = ["--script", keys, "--screenshot", "-"];
    let output = scap(scripts, &[&words[..], &keys[..]].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Keys that open the view at a place among those of scripts. From the first of the program's own.
fn open(place: usize) -> String {
    // The list below a view is not in the menu.
    let own = View::ALL.iter().filter(|view| **view != View::AlertList);
    format!("1<F2><Home>{}<Enter>", "<Down>".repeat(own.count() + place))
}

/// Rows of the table on a screen: the words of each.
fn rows(screen: &str) -> Vec<Vec<&str>> {
    // Below the head, which marks the column that they are sorted by.
    let below = screen.lines().skip_while(|line| !line.contains('\u{25bc}'));
    let below = below.skip(1);
    let rows = below.map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.take_while(|words| {
        words
            .first()
            .is_some_and(|word| word.parse::<i64>().is_ok())
    })
    .collect()
}

#[test]
fn a_view_is_a_table_of_what_the_filter_passes() {
    let scripts = mine();
    let json: Value = serde_json::from_str(&read(&scripts, &["-j", "-c", "mine"])).unwrap();
    let slice = &json["slices"][1];
    let table = slice["data"].as_array().unwrap();
    assert_eq!(slice["count"], table.len());
    // The same, counted by another way.
    let listed = read(
        &scripts,
        &["-p", "%proc.pid %proc.name", "evt.type != futex"],
    );
    for row in table.iter().take(5) {
        let (pid, events, name) = (&row["d"][0], &row["d"][1], row["d"][3].as_str().unwrap());
        let of_it = |line: &&str| line.split(' ').next() == Some(&*pid.to_string());
        let counted = listed.lines().filter(of_it).count() as u64;
        // One event more stands for each thread that was there at the end.
        let events = events.as_u64().unwrap();
        assert!(
            counted <= events && events <= counted + 5 && counted > 0,
            "{row}: {counted}"
        );
        assert!(listed.contains(&format!("{pid} {name}\n")), "{row}");
    }
    // What the command line filters is not there.
    let less = read(&scripts, &["-j", "-c", "mine", "proc.name = perl"]);
    let less: Value = serde_json::from_str(&less).unwrap();
    let less = less["slices"][1]["data"].as_array().unwrap();
    assert!(!less.is_empty() && less.iter().all(|row| row["d"][3] == "perl"));
    let printed = read(&scripts, &["-c", "v_mine", "proc.name = perl"]);
    assert_eq!(printed.lines().count(), less.len() + 2);
    assert!(printed.contains(" perl "));
}

#[test]
fn an_error_names_the_script_the_column_and_what_is_wrong() {
    let wrong = |column: &str, expected: &str| {
        let text = PROCESSES.replace(r#"{name = "PID", field = "proc.pid", colsize = 8}"#, column);
        assert_ne!(text, PROCESSES);
        let scripts = scripts(&[("v_wrong", &text)]);
        let sample = sample();
        let output = scap(&scripts, &["read", sample.to_str().unwrap(), "-c", "wrong"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.contains("v_wrong") && stderr.contains(expected),
            "{stderr}"
        );
    };
    let named = "column 3 `PID`: ";
    wrong(
        r#"{name = "PID", field = "proc.pdi"}"#,
        &format!("{named}unknown field `proc.pdi`"),
    );
    wrong(
        r#"{name = "PID", field = "proc.pid", aggregation = "MEAN"}"#,
        &format!("{named}`aggregation` cannot be `MEAN`"),
    );
    wrong(r#"{name = "PID"}"#, &format!("{named}`field` is missing"));
    wrong(
        r#"{name = "PID", field = "proc.pid", is_key = true}"#,
        "the view has 2 key columns",
    );
    wrong(
        r#"{name = "PID", field = "proc.pid", colsize = "wide"}"#,
        &format!("{named}`colsize` has to be a number, not string"),
    );
    wrong(
        r#"{name = "PID", field = "proc.pid", is_sorting = true}"#,
        "more than one column with `is_sorting`",
    );
    wrong(r#""PID""#, "column 3: `columns` has to be");
}

#[test]
fn the_menu_lists_the_views_and_shows_their_tables() {
    let scripts = mine();
    let menu = screen(&scripts, "<F2>");
    let (own, others) = menu.split_once("from scripts").unwrap();
    assert!(own.contains("Spectrogram") && !own.contains("A processes"));
    let place = |name: &str| others.find(name).unwrap();
    assert!(place("A processes") < place("B files") && place("B files") < place("C commands"));
    assert!(others.contains("What processes did."));

    let shown = screen(&scripts, &open(0));
    assert!(shown.contains(" A processes  1 Overview"), "{shown}");
    assert!(shown.contains("EVENTS\u{25bc}"), "{shown}");
    let table = rows(&shown);
    let events: Vec<u64> = table
        .iter()
        .map(|row| row[1].replace(',', "").parse().unwrap())
        .collect();
    assert!(
        events.len() > 5 && events.is_sorted_by(|a, b| a >= b),
        "{shown}"
    );
    // By its third column but one, the ids, largest first.
    let sorted = screen(&scripts, &format!("{}><Home><Enter>", open(0)));
    let ids: Vec<i64> = rows(&sorted)
        .iter()
        .map(|r| r[0].parse().unwrap())
        .collect();
    assert!(sorted.contains("PID\u{25bc}"), "{sorted}");
    assert!(ids.len() > 5 && ids.is_sorted_by(|a, b| a >= b), "{ids:?}");
}

#[test]
fn a_row_leads_to_the_view_that_its_own_names_and_back() {
    let scripts = mine();
    let first = screen(&scripts, &open(0));
    let pid = rows(&first)[0][0].to_owned();
    let there = screen(&scripts, &format!("{}<Enter>", open(0)));
    assert!(there.contains(" B files  1 Overview"), "{there}");
    assert!(
        there.contains(&format!("\u{25b8} proc.pid {pid}")),
        "{there}"
    );
    // The files are those of the process: as many events as a filter finds.
    let filter = format!("(evt.type != futex) and proc.pid = {pid} and fd.type = file");
    let listed = read(&scripts, &["-p", "%fd.name", &filter]);
    let row = &rows(&there)[0];
    let count = listed.lines().filter(|line| *line == row[1]).count();
    let shown: usize = row[0].replace(',', "").parse().unwrap();
    assert_eq!(count, shown, "{there}");
    let back = screen(&scripts, &format!("{}<Enter><Backspace>", open(0)));
    assert_eq!(rows(&back), rows(&first), "{back}");
    assert!(back.contains(" A processes  1 Overview"), "{back}");
    assert!(!back.contains('\u{25b8}'), "{back}");
}

#[test]
fn a_row_of_a_list_is_an_event() {
    let scripts = mine();
    let list = screen(&scripts, &open(2));
    assert!(list.contains(" C commands  1 Overview"), "{list}");
    let detail = screen(&scripts, &format!("{}<Enter>", open(2)));
    assert!(detail.contains("setpriv"), "{detail}");
    assert!(detail.contains("\u{250c} event 1 \u{2500}"), "{detail}");
    // Only what is in the range: a filter that nothing passes leaves nothing.
    let none = screen(&scripts, &format!("{}:proc.name = nobody<Enter>", open(2)));
    assert!(none.contains("0/0"), "{none}");
}
