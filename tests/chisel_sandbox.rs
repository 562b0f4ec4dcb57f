//! Scripts that try what they must not: the program survives, says what happened, and nothing else does.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/intrusion.scap");
const HEAD: &str = "description = 'x' short_description = 'x' category = 'x' args = {}\n";

/// Runs a script, from a directory of its own, with tight limits.
fn run(dir: &Path, body: &str, options: &[&str]) -> Output {
    let script = dir.join("hostile.lua");
    fs::write(&script, format!("{HEAD}{body}")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(["read", CAPTURE, "--chisel-instructions", "50"])
        .args(["--chisel-memory", "64", "--chisel-timeout", "3"])
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

/// The body of `on_event`, and what standard error says.
const FAILING: &[(&str, &str)] = &[
    // Endless.
    ("while true do end", "limit of instructions"),
    (
        "while true do pcall(function() while true do end end) end",
        "limit of instructions",
    ),
    (
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "limit of instructions",
    ),
    (
        "repeat until not xpcall(error, function() while true do end end)",
        "limit of instructions",
    ),
    (
        "(('a'):rep(5000)):find('.-.-.-.-b')",
        "exceeded the limit of 3 seconds",
    ),
    // Too much.
    (
        "local t = {} for i = 1, 1e9 do t[i] = { i } end",
        "exceeded its memory limit",
    ),
    ("local s = ('x'):rep(1e9)", "exceeded its memory limit"),
    (
        "local s = 'x' while true do s = s .. s end",
        "exceeded its memory limit",
    ),
    // Too deep.
    (
        "local function f(n) return 1 + f(n + 1) end f(0)",
        "stack overflow",
    ),
    (
        "local function f() return (('a'):gsub('a', f)) end f()",
        "too many nested calls of gsub",
    ),
    (
        "local t = setmetatable({}, { __index = function(t, k) return 'x' .. t[k .. 1] end }) print(t.a)",
        "stack overflow",
    ),
    (
        "local function f() table.sort({ 3, 2, 1 }, f) return true end f()",
        "stack overflow",
    ),
    (
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return 'x' .. tostring(t) end print(t)",
        "stack overflow",
    ),
    (
        "local function f() return 'x' .. string.format('%s', setmetatable({}, { __tostring = f })) end f()",
        "stack overflow",
    ),
    // Files, programs, libraries.
    ("io.popen('touch broken-out')", "io.popen is not allowed"),
    (
        "os.execute('touch broken-out')",
        "os.execute is not allowed",
    ),
    ("os.execute('mkdir broken-out')", "--chisel-output"),
    (
        "os.execute('mkdir broken-out; touch broken-out/x')",
        "os.execute is not allowed",
    ),
    ("os.remove('hostile.lua')", "os.remove is not allowed"),
    (
        "os.rename('hostile.lua', 'broken-out')",
        "os.rename is not allowed",
    ),
    ("os.tmpname()", "os.tmpname is not allowed"),
    ("io.open('broken-out', 'w')", "--chisel-output"),
    ("io.open('hostile.lua', 'r+')", "--chisel-output"),
    ("io.lines('/etc/passwd')", "io.lines is not allowed"),
    ("dofile('/etc/passwd')", "dofile is not allowed"),
    ("loadfile('/etc/passwd')", "loadfile is not allowed"),
    ("require('ffi')", "module 'ffi'"),
    ("local x = 1LL require('ffi')", "module 'ffi'"),
    ("require('../../etc/passwd')", "module '../../etc/passwd'"),
    (
        "sysdig.udp_setpeername('127.0.0.1', '9')",
        "sending is not allowed",
    ),
    (
        "sysdig.run_app('-w broken-out -r ' .. sysdig.get_evtsource_name()) sysdig.end_capture()",
        "wants to write broken-out",
    ),
    (
        "sysdig.run_app('-r /etc/passwd --help') sysdig.end_capture()",
        "an invalid `scap read` command line",
    ),
    // Nonsense.
    ("error({})", "error object is a table"),
    ("error()", "error object is a nil"),
    (
        "error(setmetatable({}, { __tostring = function() error('x') end }))",
        "error object is a table",
    ),
    ("evt.field({})", "what chisel.request_field returned"),
    ("evt.field(io.stdout)", "what chisel.request_field returned"),
    ("chisel.set_filter('proc.name = ')", "expected a value"),
    (
        "chisel.request_field('no.field')",
        "unknown field `no.field`",
    ),
    ("chisel.set_interval_s(-1)", "an interval is a number"),
    ("chisel.set_event_formatter('%nothing')", "invalid format"),
];

#[test]
fn what_scripts_must_not_do_ends_with_a_message() {
    let dir = tempfile::tempdir().unwrap();
    for (body, says) in FAILING {
        let output = run(dir.path(), &format!("function on_event() {body} end"), &[]);
        let stderr = text(&output.stderr);
        assert!(stderr.contains(says), "{body}: {stderr}");
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{body}: {:?} {stderr}",
            output.status
        );
        let mut files = fs::read_dir(dir.path())
            .unwrap()
            .map(|f| f.unwrap().file_name());
        assert_eq!(files.next(), Some("hostile.lua".into()), "{body}");
        assert_eq!(files.next(), None, "{body}");
    }
}

/// Whole scripts, and what they print.
const PRINTING: &[(&str, &str)] = &[
    // No way out of the sandbox is available.
    (
        "print(debug.getregistry, debug.sethook, debug.setmetatable, debug.getupvalue, string.dump, newproxy, jit.off, package.loadlib, package.loaded.ffi, ffi)",
        "nil\tnil\tnil\tnil\tnil\tnil\tnil\tnil\tnil\tnil\n",
    ),
    (
        "print(os.getenv('SECRET_OF_THE_USER'), io.open('/etc/passwd') == nil)",
        "nil\ttrue\n",
    ),
    // A number of ffi's brings ffi in, where nobody finds it.
    (
        "local x = 1LL print(package.loaded.ffi, pcall(require, 'ffi') == true, type(getmetatable(x)))",
        "nil\tfalse\tstring\n",
    ),
    // Compiled code.
    (
        "print((load('\\27LJ\\2\\0')), (loadstring('\\27LJ\\2\\0')), (load('return 1')()))",
        "nil\tnil\t1\n",
    ),
    // Functions that the sandbox is made of are not found on the stack.
    (
        "print(debug.getinfo(load).func, debug.getinfo(1).func)",
        "nil\tnil\n",
    ),
    (
        "local function f() return coroutine.wrap(f)() end print(pcall(f))",
        "false\ttoo many nested coroutines\n",
    ),
    (
        "local function f() return (pcall(f)) end print(f())",
        "true\n",
    ),
    // Each stack of a coroutine as deep as it gets.
    (
        "local function deep() return 'x' .. tostring(setmetatable({}, { __tostring = deep })) end
         local function f() pcall(deep) return coroutine.wrap(f)() end print(pcall(f))",
        "false\ttoo many nested coroutines\n",
    ),
    (
        "print(evt.field(nil), evt.get_num(), evt.get_ts())",
        "nil\tnil\tnil\tnil\n",
    ),
    (
        "print(pcall(sysdig.get_thread_table))",
        "false\tthe capture is not open yet\n",
    ),
    ("print(#('\\0\\1\\255'):rep(3))", "9\n"),
];

#[test]
fn there_is_no_way_out() {
    let dir = tempfile::tempdir().unwrap();
    for (body, prints) in PRINTING {
        let output = run(dir.path(), body, &["-n", "1"]);
        let stderr = text(&output.stderr);
        assert!(output.status.success(), "{body}: {stderr}");
        let printed = text(&output.stdout);
        // Messages of errors come with their traceback; their first line counts.
        let first: String = printed
            .lines()
            .take(1)
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(&first, prints, "{body}: {stderr}");
    }
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
    let output = run(dir.path(), body, &[]);
    assert_eq!(text(&output.stdout), "end\n");
    assert!(text(&output.stderr).contains("first") && !text(&output.stderr).contains("second"));
}
