//! Chisels on what was recorded: the amounts of work that was done are what they print.

use std::{path::Path, process::Command};

use super::tools::{Bench, bench, need, scap};

/// Bytes of the request and the response of `chisel_work.c`.
const REQUEST: u64 = 54;
const RESPONSE: u64 = 43;
/// Bytes between client and server, both ways.
const BETWEEN: u64 = REQUEST + RESPONSE + 100 * (1000 + 2000);

/// Runs a chisel of Debian's package.
fn stock(bench: &Bench, name: &str, words: &[&str]) -> String {
    let script = format!("/usr/share/sysdig/chisels/{name}.lua");
    assert!(Path::new(&script).exists(), "{script}");
    let mut command = scap();
    command.arg("read").arg(bench.path("work.scap"));
    command.args(["-c", &script]).args(words);
    printed(command)
}

fn printed(mut command: Command) -> String {
    let output = command.env("TZ", "UTC").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The value in front of the row that ends in `key`.
fn value<'t>(table: &'t str, key: &str) -> &'t str {
    let row = table.lines().find(|line| line.trim_end().ends_with(key));
    let row = row.unwrap_or_else(|| panic!("no row of {key} in\n{table}"));
    row.split_whitespace().next().unwrap()
}

/// As sysdig's scripts show bytes.
fn bytes(count: u64) -> String {
    format!("{:.2}KB", count as f64 / 1024.0)
}

/// From `12.34ms` to milliseconds.
fn milliseconds(text: &str) -> f64 {
    for (unit, in_ms) in [("ns", 1e-6), ("us", 1e-3), ("ms", 1.0), ("s", 1000.0)] {
        if let Some(Ok(number)) = text.strip_suffix(unit).map(str::parse::<f64>) {
            return number * in_ms;
        }
    }
    panic!("{text} is no time");
}

#[test]
fn stock_chisels_print_what_was_done() {
    let Some(bench) = bench() else { return };
    if need("sysdig").is_none() {
        return;
    }
    bench.compile("chisel_work.c");
    let port = bench.record("work.scap", &["-s", "4096", "--", "./chisel_work"]);
    let port = port.trim();
    let run = |name: &str, words: &[&str]| stock(&bench, name, words);
    let only = "proc.name in (chisel_work, known_server)";

    // Bytes.
    let table = run("topprocs_net", &[]);
    let rows: Vec<&str> = table
        .lines()
        .filter(|l| l.contains("chisel_work") || l.contains("known_server"))
        .collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(
        rows.iter().all(|row| row.starts_with(&bytes(BETWEEN))),
        "{table}"
    );
    // Either end of a connection within the machine counts.
    assert_eq!(
        value(&run("topconns", &[]), &format!(":{port}")),
        bytes(2 * BETWEEN)
    );
    assert_eq!(
        value(&run("topports_server", &[]), port),
        bytes(2 * BETWEEN)
    );
    let known = bench.path("known.dat");
    let known = known.to_str().unwrap();
    assert_eq!(value(&run("topfiles_bytes", &[]), known), bytes(500_000));
    assert_eq!(
        value(&run("fdbytes_by", &["fd.name"]), known),
        bytes(500_000)
    );
    let total: u64 = run("iobytes_net", &[only])
        .lines()
        .filter_map(|line| line.rsplit(':').next()?.trim().parse::<u64>().ok())
        .sum();
    // What came after the last full second is not printed, as in sysdig.
    assert!(total <= 2 * BETWEEN, "{total}");

    // Counts. A call has one event here, so it counts once.
    let calls = run("topscalls", &[only]);
    assert_eq!(value(&calls, "getppid"), "777");
    let fds = run("fdcount_by", &["fd.name", only]);
    assert!(fds.contains(&format!("{known}\t1\n")), "{fds}");
    let errors = run("topprocs_errors", &["evt.type=open or evt.type=openat"]);
    let failed = bench.printed(
        "work.scap",
        "%evt.num",
        &[
            "evt.failed=true",
            "and",
            "proc.name=chisel_work",
            "and",
            "evt.type",
            "in",
            "(open,openat)",
        ],
    );
    assert!(failed.len() >= 40);
    let row = errors
        .lines()
        .find(|line| line.contains("chisel_work"))
        .unwrap();
    assert_eq!(
        row.split_whitespace().next().unwrap(),
        failed.len().to_string()
    );

    // Times.
    let times = run("topscalls_time", &["proc.name=chisel_work"]);
    let slept = milliseconds(value(&times, "clock_nanosleep"));
    assert!((300.0..2000.0).contains(&slept), "{times}");
    let slow = run("scallslower", &["200", "proc.name=chisel_work"]);
    assert!(slow.contains("clock_nanosleep"), "{slow}");
    assert!(!run("scallslower", &["5000", only]).contains("nanosleep"));
    let slowest = run("bottlenecks", &["proc.name=chisel_work"]);
    let mut lines = slowest.lines();
    // Pairs of an enter event, which was made up, and an exit event.
    for _ in 0..10 {
        let (enter, exit) = (lines.next().unwrap(), lines.next().unwrap());
        // The execve began under another name, which the filter rules out.
        if enter == "nil" {
            assert!(exit.contains("< execve"), "{slowest}");
            continue;
        }
        assert!(enter.contains(" > "), "{slowest}");
        assert!(exit.contains(" < "), "{slowest}");
        let name = |line: &str| line.split([' ']).nth(5).map(str::to_owned);
        assert_eq!(name(enter), name(exit), "{slowest}");
    }
    let lives = run("proc_exec_time", &["proc.name=chisel_work"]);
    let life = lives
        .lines()
        .find(|line| line.contains("chisel_work"))
        .unwrap();
    let life = life
        .split_whitespace()
        .find(|w| w.ends_with("ms") || w.ends_with('s'))
        .unwrap();
    assert!(
        (300.0..5000.0).contains(&milliseconds(life.trim_start_matches("\u{1b}[32m"))),
        "{lives}"
    );

    // Texts.
    assert!(run("httplog", &[]).contains("method=GET url=known.test/known response_code=200"));
    assert!(run("stderr", &[only]).contains("to standard error"));
    let spied = run("spy_port", &[port]);
    assert_eq!(
        spied.matches("GET /known HTTP/1.1").count(),
        2,
        "said and heard"
    );
    let echoed = run("echo_fds", &["fd.name contains known.log"]);
    assert_eq!(echoed.matches("a line of the log").count(), 3, "{echoed}");
    let logs = run("spy_logs", &[]);
    assert_eq!(logs.matches("a line of the log").count(), 3, "{logs}");

    // What asks for enter events gets as many as there are calls.
    let counting = "description = 'x' short_description = 'x' category = 'x' args = {}
        local n = 0
        function on_init() chisel.set_filter('evt.dir=> and evt.type=getppid') return true end
        function on_event() n = n + 1 end
        function on_capture_end() print(n) end";
    std::fs::write(bench.path("counting.lua"), counting).unwrap();
    let mut command = scap();
    command.arg("read").arg(bench.path("work.scap"));
    command
        .arg("-c")
        .arg(bench.path("counting.lua"))
        .arg("proc.name=chisel_work");
    assert_eq!(printed(command), "777\n");
}

#[test]
fn chisels_watch_what_happens() {
    let Some(bench) = bench() else { return };
    bench.compile("chisel_work.c");
    let script = "description = 'x' short_description = 'x' category = 'x' args = {}
        function on_init()
          name, res = chisel.request_field('proc.name'), chisel.request_field('evt.rawres')
          chisel.set_filter('evt.is_io=true and fd.l4proto=tcp and evt.rawres>0')
          chisel.set_interval_s(1)
          return sysdig.is_live()
        end
        total, ticks = {}, 0
        function on_event() local n = evt.field(name) total[n] = (total[n] or 0) + evt.field(res) end
        function on_interval() ticks = ticks + 1 return true end
        function on_capture_end()
          print(total.chisel_work, total.known_server, ticks >= 0, next(sysdig.get_thread_table()) ~= nil)
        end";
    std::fs::write(bench.path("sum.lua"), script).unwrap();
    let mut live = scap();
    live.args(["live", "-c"]).arg(bench.path("sum.lua"));
    live.args([
        "proc.name in (chisel_work, known_server)",
        "--",
        "./chisel_work",
    ]);
    live.current_dir(bench.dir.path());
    let printed = printed(live);
    let sums = format!("{BETWEEN}\t{BETWEEN}\ttrue\ttrue");
    assert!(printed.lines().any(|line| line == sums), "{printed}");
}

#[test]
fn chisels_with_filters_cost_only_what_they_look_at_and_are_called_in_time() {
    let Some(bench) = bench() else { return };
    let script = "description = 'x' short_description = 'x' category = 'x' args = {}
        local file
        function on_init()
          file = chisel.request_field('fd.name')
          chisel.set_filter('evt.is_io_read=true and fd.name endswith /quiet')
          chisel.set_interval_s(1)
          return true
        end
        function on_event() print('read', evt.field(file)) end
        function on_interval() print('tick') return true end";
    std::fs::write(bench.path("quiet.lua"), script).unwrap();
    std::fs::write(bench.path("quiet"), "x").unwrap();
    let mut live = scap();
    live.args(["live", "-v", "-c"]).arg(bench.path("quiet.lua"));
    live.args(["--", "sh", "-c", "read x < quiet; sleep 3.2; : > end"]);
    live.current_dir(bench.dir.path());
    let output = live.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = printed.lines().collect();
    let quiet = format!("read\t{}", bench.path("quiet").display());
    assert!(lines.contains(&&*quiet), "{printed}");
    // Nothing happens for three seconds. A machine that stands still may merge two ticks.
    let ticks = lines.iter().filter(|line| **line == "tick").count();
    assert!((2..=4).contains(&ticks), "{printed}");
    let choice = stderr
        .lines()
        .find(|line| line.starts_with("in the kernel: "));
    let (_, recorded) = choice.unwrap().rsplit_once(": ").unwrap();
    let recorded: Vec<&str> = recorded.split(", ").collect();
    for (call, is_in) in [
        ("read", true),
        ("openat", true),
        ("mmap", true),
        ("write", false),
        ("futex", false),
        ("getpid", false),
        ("newfstatat", false),
    ] {
        assert_eq!(recorded.contains(&call), is_in, "{call}: {stderr}");
    }
}
