//! What fields say of processes and their fds, beside what `/proc` said at the same moment.
//!
//! The recorded programs stop at points of their choice: they write `truth LABEL TID` to fd 8 and read
//! a byte from fd 9. While they wait, [`Truth::of`] reads `/proc`. The fields of the event of that read
//! are then compared with it, and so is the state's table of fds.

mod conversations;
mod fds;
mod processes;
mod sessions;
mod sockets;
mod strace;

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::tools::{Bench, number, scap};
use fds::{FdTruth, Table};
use processes::{FIELDS, facts};

/// What bash needs to ask. Inside a pid namespace the shell's own id is not the one that we know.
const PRELUDE: &str = "exec 8>ask 9<answer; \
                       ask() { local tid rest; read -r tid rest </proc/self/stat; \
                       echo \"truth $1 $tid\" >&8; read -r -u 9; }; export -f ask; ";

/// What `/proc` said when a thread asked.
struct Truth {
    label: String,
    tid: i64,
    /// By field; those that cannot be known are not there.
    facts: BTreeMap<&'static str, Value>,
    fds: BTreeMap<i64, FdTruth>,
}

impl Truth {
    /// Reads everything about a thread that waits in `read(9, …)`.
    fn of(label: &str, tid: i64) -> Self {
        wait_until_it_reads(tid);
        Self {
            label: label.to_owned(),
            tid,
            facts: facts(tid),
            fds: fds::of(tid),
        }
    }
}

/// A shell sets its fds right again after it asked: only then it reads.
fn wait_until_it_reads(tid: i64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let call = std::fs::read_to_string(format!("/proc/{tid}/syscall"))
            .unwrap_or_else(|e| panic!("{tid}: {e}"));
        if call.starts_with("0 0x9 ") {
            return;
        }
        assert!(Instant::now() < deadline, "{tid} does not wait: {call}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A recording, with the truth about it.
struct Session<'b> {
    bench: &'b Bench,
    capture: String,
    truths: Vec<Truth>,
}

impl<'b> Session<'b> {
    /// Records a script of bash, after which comes `capture`.
    fn shell(bench: &'b Bench, capture: &str, script: &str) -> Self {
        let script = format!("{PRELUDE}{script}");
        Self::new(
            bench,
            capture,
            &["--", "/bin/bash", "-c", &script],
            |_, _| {},
        )
    }

    /// Records whatever the arguments say; `each` sees every question before it is answered.
    fn new(
        bench: &'b Bench,
        capture: &str,
        args: &[&str],
        mut each: impl FnMut(&str, i64) + Send,
    ) -> Self {
        for fifo in ["ask", "answer"] {
            bench.fifo(fifo);
        }
        // Whoever asks may be somebody else than root.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bench.dir.path(), open).unwrap();
        let (questions, mut answers) = (bench.open_fifo("ask"), bench.open_fifo("answer"));
        let mut end = questions.try_clone().unwrap();
        let truths = std::thread::scope(|scope| {
            let server = scope.spawn(move || {
                let mut truths = Vec::new();
                for line in BufReader::new(questions).lines() {
                    let line = line.unwrap();
                    let Some(("truth", rest)) = line.split_once(' ') else {
                        break;
                    };
                    let (label, tid) = rest.split_once(' ').unwrap();
                    let tid = tid.parse().unwrap();
                    each(label, tid);
                    truths.push(Truth::of(label, tid));
                    answers.write_all(b"\n").unwrap();
                }
                truths
            });
            bench.record(capture, args);
            end.write_all(b"end\n").unwrap();
            server.join().unwrap()
        });
        let summary = bench.summary(capture);
        assert_eq!(number(&summary, "lost"), 0, "{summary}");
        let status = summary.get("command_status").and_then(Value::as_i64);
        assert!(status.is_none_or(|s| s == 0), "{summary}");
        Self {
            bench,
            capture: capture.to_owned(),
            truths,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.bench.path(&self.capture)
    }

    /// Events that pass a filter, as JSON objects with these fields.
    fn read(&self, filter: &str, fields: &str) -> Vec<serde_json::Map<String, Value>> {
        let output = scap()
            .args(["read", "-j", "-p", fields, "-r"])
            .arg(self.path())
            .arg(filter)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let object = |line: &str| serde_json::from_str(line).unwrap();
        text.lines().map(object).collect()
    }

    /// Compares everything that everyone asked about, but for what is known to differ: pairs of a label and
    /// what of it, all of which have to. Returns how many values were compared.
    fn check(&self, excused: &[(&str, &str)]) -> usize {
        let mut said = self.at_questions();
        let tables = fds::tables(&self.path(), &said);
        let mut wrong = Vec::new();
        let mut compared = 0;
        let mut unused: Vec<usize> = (0..excused.len()).collect();
        for truth in &self.truths {
            let at = said
                .iter()
                .position(|q| q.label == truth.label && q.tid == truth.tid);
            let question = said
                .swap_remove(at.unwrap_or_else(|| panic!("{} is not in the capture", truth.label)));
            let mut is_excused = |what: &str| {
                let at = excused.iter().position(|e| *e == (&truth.label, what));
                unused.retain(|unused| Some(*unused) != at);
                at.is_some()
            };
            for (field, expected) in &truth.facts {
                compared += 1;
                let got = question.fields.get(*field).unwrap_or(&Value::Null);
                if got != expected && !is_excused(field) {
                    wrong.push(format!(
                        "{} {field}: {got}, but /proc said {expected}",
                        truth.label
                    ));
                }
            }
            compared += truth.fds.len();
            let empty = Table::new();
            let table = tables.get(&question.number).unwrap_or(&empty);
            for complaint in fds::differences(&truth.fds, table) {
                if !is_excused(complaint.split(':').next().unwrap()) {
                    wrong.push(format!("{} {complaint}", truth.label));
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {compared} are wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        let unused: Vec<_> = unused.iter().map(|at| excused[*at]).collect();
        assert!(unused.is_empty(), "no longer different: {unused:?}");
        compared
    }

    /// The events at which somebody's question was answered.
    fn at_questions(&self) -> Vec<Question> {
        let mut fields = String::from("%evt.num %evt.type %fd.num %evt.buffer");
        for field in FIELDS {
            fields.push_str(" %");
            fields.push_str(field);
        }
        let filter = "(evt.type=write and evt.buffer startswith 'truth ') or \
                      (evt.type=read and fd.num=9)";
        let mut asking = HashMap::new();
        let mut answered = Vec::new();
        for event in self.read(filter, &format!("*{fields}")) {
            let tid = event["thread.tid"].as_i64().unwrap();
            if event["evt.type"] == "write" {
                let text = event["evt.buffer"]
                    .as_str()
                    .unwrap()
                    .trim_end_matches(['\n', '.']);
                let label = text.split(' ').nth(1).unwrap().to_owned();
                asking.insert(tid, label);
            } else if let Some(label) = asking.remove(&tid) {
                let number = event["evt.num"].as_u64().unwrap();
                answered.push(Question {
                    label,
                    tid,
                    number,
                    fields: event,
                });
            }
        }
        answered
    }
}

impl Bench {
    /// Makes a fifo, once, that anybody may use.
    fn fifo(&self, name: &str) {
        let path = self.path(name);
        if !path.exists() {
            let made = Command::new("mkfifo")
                .args(["-m", "666"])
                .arg(path)
                .status();
            assert!(made.unwrap().success());
        }
    }

    /// Opens a fifo at both ends, so that nobody waits for the other to open it.
    fn open_fifo(&self, name: &str) -> File {
        let path = self.path(name);
        File::options().read(true).write(true).open(path).unwrap()
    }
}

/// An event at which a question was answered.
struct Question {
    label: String,
    tid: i64,
    number: u64,
    fields: serde_json::Map<String, Value>,
}

/// A file of `/proc`, as text.
fn proc(tid: i64, name: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{tid}/{name}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A link of `/proc`; `None` if it cannot be read.
fn link(tid: i64, name: &str) -> Option<String> {
    let target = std::fs::read_link(format!("/proc/{tid}/{name}")).ok()?;
    Some(target.to_string_lossy().into_owned())
}
