//! Scripts that try what they must not: the program survives, says what happened, and nothing else does.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod attacks;
mod fuzz;

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attacks::{EVERYTHING, FAILING, LOOPS, PATTERNS, PLACES, PRINTING};

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/intrusion.scap");
const HEAD: &str = "description = 'x' short_description = 'x' category = 'x' args = {}\n";

/// Time limit of one call where time is not what is tested, and where it is.
const AMPLE: Duration = Duration::from_secs(20);
const TIGHT: Duration = Duration::from_secs(2);

/// Runs a script, from a directory of its own, with tight limits.
fn run(dir: &Path, body: &str, limit: Duration, options: &[&str]) -> Output {
    let script = dir.join("hostile.lua");
    fs::write(&script, format!("{HEAD}{body}")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(["read", CAPTURE, "--chisel-instructions", "10"])
        .args([
            "--chisel-memory",
            "64",
            "--chisel-timeout",
            &limit.as_secs().to_string(),
        ])
        .args(options)
        .arg("-c")
        .arg(&script)
        .current_dir(dir)
        .env("SECRET_OF_THE_USER", "secret")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs `check` on all items, two at a time, each in a directory of its own; it returns what is wrong.
fn each<T: Sync>(items: &[T], check: impl Fn(&Path, &T) -> Option<String> + Sync) {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let dir = tempfile::tempdir().unwrap();
                    if let Some(what) = check(dir.path(), item) {
                        wrong.lock().unwrap().push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        items.len(),
        wrong.join("\n")
    );
}

/// How long a script runs that does nothing.
fn startup() -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    assert!(run(dir.path(), "", AMPLE, &["-n", "1"]).status.success());
    started.elapsed()
}

#[test]
fn no_script_outlives_its_limits() {
    let startup = startup();
    let mut scripts = Vec::new();
    let ended = "exceeded the limit of";
    for (place, script) in PLACES {
        // A pattern takes all of the limit, which is the same for all that are called alike.
        let takes_long = !matches!(*place, "on_init" | "on_capture_start" | "on_interval");
        let bodies = [LOOPS[0], PATTERNS[0]];
        for body in &bodies[..1 + usize::from(takes_long)] {
            let said = format!("print('before'); {body}");
            scripts.push((
                format!("{place}: {body}"),
                script.replace("BODY", &said),
                place.starts_with("on_"),
            ));
        }
    }
    for body in LOOPS.iter().chain(PATTERNS) {
        let script = format!("function on_event() {body} end");
        scripts.push(((*body).to_owned(), script, false));
    }
    each(&scripts, |dir, (name, script, says_before)| {
        // On a busy machine a process can wait for long without running. A sanitizer takes its time.
        let attempts = if env::var_os("SCAP_SANITIZED").is_some() {
            1
        } else {
            3
        };
        let mut output = None;
        let is_in_time = (0..attempts).any(|_| {
            let started = Instant::now();
            output = Some(run(dir, script, TIGHT, &[]));
            started.elapsed().saturating_sub(startup) <= TIGHT.mul_f64(1.2)
        });
        let output = output.unwrap();
        let stderr = text(&output.stderr);
        if !stderr.contains(ended) || !matches!(output.status.code(), Some(1 | 2)) {
            return Some(format!("{name}: {:?} {stderr}", output.status));
        }
        if !is_in_time && attempts > 1 {
            return Some(format!("{name}: three times too late"));
        }
        // What it printed before it was stopped is not lost. While it is asked for its arguments it prints nothing.
        let printed = text(&output.stdout);
        let is_lost = *says_before && printed != "before\n";
        is_lost.then(|| format!("{name}: printed {printed:?}"))
    });
}

#[test]
fn every_function_survives_every_argument() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let script = dir.path().join("everything.lua");
    fs::write(&script, format!("{HEAD}{EVERYTHING}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(["read", CAPTURE, "--chisel-output"])
        .arg(&out)
        .arg("-c")
        .arg(&script)
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{:?} {stderr}", output.status);
    assert!(text(&output.stdout).ends_with("tried all\n"), "{stderr}");
    // Nothing was made outside of its directory.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn scripts_do_not_reach_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, body: &str| {
        let path = dir.path().join(name);
        fs::write(&path, format!("{HEAD}{body}")).unwrap();
        path
    };
    let first = write(
        "first.lua",
        "SECRET = 'secret' string.SECRET = SECRET getmetatable('').SECRET = SECRET sysdig.SECRET = SECRET
         print = nil package.loaded.SECRET = SECRET package.preload.SECRET = function() return SECRET end
         function on_event() end",
    );
    let second = write(
        "second.lua",
        "print(SECRET, string.SECRET, getmetatable('').SECRET, sysdig.SECRET, package.loaded.SECRET, (pcall(require, 'SECRET')))
         function on_event() end",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(["read", CAPTURE, "-n", "1", "-c"])
        .arg(&first)
        .arg("-c")
        .arg(&second)
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(
        text(&output.stdout),
        "nil\tnil\tnil\tnil\tnil\tfalse\n",
        "{stderr}"
    );
}

#[test]
fn scripts_of_the_current_directory_run_only_if_they_are_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("chisels")).unwrap();
    let planted = "print('ran') io.stderr:write('ran') while true do end view_info = {}";
    for name in ["planted", "ps", "v_planted"] {
        let path = dir.path().join(format!("chisels/{name}.lua"));
        fs::write(path, format!("{HEAD}{planted}")).unwrap();
    }
    let scap = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_scap"))
            .args(args)
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, listed, warned) = scap(&["chisel", "list", "--all"]);
    assert_eq!(code, Some(0), "{warned}");
    assert!(
        !listed.contains("planted") && !warned.contains("ran"),
        "{listed}{warned}"
    );
    assert!(
        warned.contains("2 scripts in ./chisels not listed"),
        "{warned}"
    );
    // The names of the program's own scripts are not taken.
    let (code, _, warned) = scap(&["read", CAPTURE, "-n", "1", "-c", "ps"]);
    assert_eq!(code, Some(0), "{warned}");
    let (_, shown, warned) = scap(&["view", CAPTURE, "--script", "<F2>", "--screenshot", "-"]);
    assert!(
        !shown.contains("ran\n") && !warned.contains("ran"),
        "{shown}{warned}"
    );
    // Named, it runs, as far as its limits go.
    let (code, _, warned) = scap(&[
        "read",
        CAPTURE,
        "--chisel-instructions",
        "50",
        "-c",
        "planted",
    ]);
    assert_eq!(code, Some(2), "{warned}");
    assert!(
        warned.contains("exceeded the limit of instructions"),
        "{warned}"
    );
}

#[test]
fn what_scripts_must_not_do_ends_with_a_message() {
    each(FAILING, |dir, (body, says)| {
        let output = run(dir, &format!("function on_event() {body} end"), AMPLE, &[]);
        let stderr = text(&output.stderr);
        if !stderr.contains(says) || !matches!(output.status.code(), Some(1 | 2)) {
            return Some(format!("{body}: {:?} {stderr}", output.status));
        }
        let files = fs::read_dir(dir).unwrap().count();
        (files != 1).then(|| format!("{body}: made files"))
    });
}

#[test]
fn there_is_no_way_out() {
    each(PRINTING, |dir, (body, prints)| {
        let output = run(dir, body, AMPLE, &["-n", "1"]);
        let stderr = text(&output.stderr);
        let printed = text(&output.stdout);
        // Messages of errors come with their traceback; their first line counts.
        let first: String = printed
            .lines()
            .take(1)
            .map(|line| format!("{line}\n"))
            .collect();
        let is_right = output.status.success() && first == *prints;
        (!is_right).then(|| format!("{body}: {first:?} {stderr}"))
    });
}

#[test]
fn a_script_that_is_not_text_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("compiled.lua");
    let refused = |text: &[u8]| {
        fs::write(&script, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_scap"))
            .args(["read", CAPTURE, "-c"])
            .arg(&script)
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{:?}",
            self::text(&output.stderr)
        );
        self::text(&output.stderr)
    };
    assert!(refused(b"\x1bLJ\x02\x00").contains("is bytecode"));
    assert!(refused(&[0xff; 4096]).contains("compiled.lua"));
    assert!(refused(&vec![b' '; 5 << 20]).contains("larger than 4 MiB"));
    assert!(refused(b"args = {").contains("compiled.lua:1"));
    assert!(refused(b"x = 1").contains("no table `args`"));
    assert!(refused(b"args = { 5 }").contains("invalid `args`"));
    assert!(refused(b"args = { { name = {} } }").contains("invalid `args`"));
}

#[test]
fn files_are_written_where_the_user_allows() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    std::os::unix::fs::symlink("/tmp", out.join("link")).unwrap();
    let body = "os.execute('mkdir sub 2> /dev/null')
        local f = io.open('sub/found', 'w') f:write('text') f:close()
        print(io.open('sub/found'):read('*a'))
        for _, name in ipairs { '../x', '/tmp/x', 'link/x', 'none/x' } do
          local ok, why = pcall(io.open, name, 'w') print(ok)
        end";
    let output = run(
        dir.path(),
        body,
        AMPLE,
        &["-n", "1", "--chisel-output", out.to_str().unwrap()],
    );
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(
        text(&output.stdout),
        "text\nfalse\nfalse\nfalse\nfalse\n",
        "{stderr}"
    );
    assert_eq!(fs::read(out.join("sub/found")).unwrap(), b"text");
    // Who trusts a script lets it do everything.
    let output = run(
        dir.path(),
        "os.execute('touch made') print(type(require('ffi')))",
        AMPLE,
        &["-n", "1", "--chisel-unsafe"],
    );
    assert_eq!(text(&output.stdout), "table\n");
    assert!(dir.path().join("made").exists());
}

#[test]
fn an_error_shows_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(
        dir.path(),
        "function on_event()\n\tlocal x = nil\n\tprint(x.name)\nend",
        AMPLE,
        &[],
    );
    assert_eq!(
        text(&output.stderr),
        "scap: error: chisel hostile: attempt to index local 'x' (a nil value)\n  \
           --> hostile.lua:4\n   \
            |\n \
          4 |  print(x.name)\n"
    );
    assert_eq!(output.status.code(), Some(1));
    // After an error on_capture_end is still called, and its own errors are ignored.
    let body = "function on_event() error('first') end\n\
                function on_capture_end() print('end') error('second') end";
    let output = run(dir.path(), body, AMPLE, &[]);
    assert_eq!(text(&output.stdout), "end\n");
    assert!(text(&output.stderr).contains("first") && !text(&output.stderr).contains("second"));
}
