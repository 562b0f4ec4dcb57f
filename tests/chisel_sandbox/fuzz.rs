//! Programs made at random of everything that a script can do. `SCAP_LUA_PROGRAMS` says how many are run, and
//! `SCAP_LUA_SEED` where to begin.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use super::{CAPTURE, HEAD, each, text};

/// Programs in one script: each is loaded on its own, so that one that is not valid does not take the others with it.
const PROGRAMS: u64 = 40;
/// Deepest nesting of blocks.
const DEPTH: u32 = 4;

/// A generator of numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

const FUNCTIONS: &[&str] = &[
    "evt.field",
    "evt.get_num",
    "evt.get_ts",
    "evt.get_type",
    "chisel.request_field",
    "chisel.set_filter",
    "chisel.set_event_formatter",
    "chisel.set_interval_ns",
    "sysdig.set_output_format",
    "sysdig.get_thread_table",
    "sysdig.get_container_table",
    "sysdig.get_machine_info",
    "sysdig.make_ts",
    "sysdig.add_ts",
    "sysdig.log",
    "sysdig.get_filter",
    "scap.clean",
    "scap.tile",
    "scap.arg",
    "scap.finding",
    "scap.top",
    "scap.histogram",
    "io.open",
    "io.close",
    "io.type",
    "io.write",
    "os.date",
    "os.time",
    "os.execute",
    "string.rep",
    "string.format",
    "string.gsub",
    "string.find",
    "string.byte",
    "table.concat",
    "table.remove",
    "table.sort",
    "unpack",
    "select",
    "next",
    "pairs",
    "ipairs",
    "rawget",
    "rawset",
    "rawequal",
    "setmetatable",
    "getmetatable",
    "debug.getmetatable",
    "debug.traceback",
    "debug.getinfo",
    "coroutine.create",
    "coroutine.resume",
    "coroutine.running",
    "coroutine.status",
    "coroutine.yield",
    "coroutine.wrap",
    "load",
    "loadstring",
    "require",
    "tostring",
    "tonumber",
    "type",
    "error",
    "assert",
    "pcall",
    "xpcall",
    "getfenv",
    "setfenv",
    "collectgarbage",
    "bit.bor",
    "bit.tobit",
    "math.floor",
    "print",
];

const VALUES: &[&str] = &[
    "nil",
    "true",
    "false",
    "0",
    "-1",
    "1",
    "2^31",
    "0/0",
    "1/0",
    "1LL",
    "''",
    "'x'",
    "'\\0'",
    "'%d%s%q'",
    "'evt.num'",
    "'evt.buffer'",
    "'proc.name'",
    "'evt.num > 0'",
    "'normal'",
    "'hexascii'",
    "('x'):rep(3000)",
    "{}",
    "{ 1, 2, 3 }",
    "_G",
    "string",
    "io",
    "evt",
    "chisel",
    "package.loaded",
    "io.stdout",
    "g[1]",
    "g[2]",
    "g[3]",
    "g[4]",
    "h[1]",
    "h[2]",
    "h[3]",
    "print",
    "pcall",
    "coroutine.running()",
    "'collect'",
    "'step'",
    "'stop'",
    "'restart'",
    "'setpause'",
    "'f1'",
    "'../f2'",
];

const METHODS: &[&str] = &[
    "__index",
    "__newindex",
    "__call",
    "__tostring",
    "__concat",
    "__eq",
    "__lt",
    "__len",
    "__gc",
    "__mode",
    "__metatable",
    "__unm",
];

fn value(random: &mut Random, depth: u32, out: &mut String) {
    match random.below(if depth == 0 { 4 } else { 10 }) {
        0..=3 => out.push_str(random.one(VALUES)),
        4 => out.push_str(random.one(FUNCTIONS)),
        5 => call(random, depth - 1, out),
        6 => enclosed(random, depth, "function(...) ", "return ... end", out),
        7 => {
            let _ = write!(out, "setmetatable({{}}, {{ {} = ", random.one(METHODS));
            value(random, depth - 1, out);
            out.push_str(" })");
        }
        8 => enclosed(
            random,
            depth,
            "coroutine.create(function(...) ",
            "end)",
            out,
        ),
        _ => {
            let _ = write!(out, "io.open('f{}', 'w')", random.below(3));
        }
    }
}

fn call(random: &mut Random, depth: u32, out: &mut String) {
    let _ = write!(out, "{}(", random.one(FUNCTIONS));
    for index in 0..random.below(4) {
        if index > 0 {
            out.push_str(", ");
        }
        value(random, depth, out);
    }
    out.push(')');
}

/// Appends a block, one level deeper, between two texts.
fn enclosed(random: &mut Random, depth: u32, before: &str, after: &str, out: &mut String) {
    out.push_str(before);
    block(random, depth - 1, out);
    out.push_str(after);
}

fn statement(random: &mut Random, depth: u32, out: &mut String) {
    match random.below(if depth == 0 { 5 } else { 13 }) {
        0 => {
            let _ = write!(out, "g[{}] = ", 1 + random.below(4));
            value(random, depth.saturating_sub(1), out);
        }
        1 => {
            out.push_str("pcall(function() return ");
            call(random, depth.saturating_sub(1), out);
            out.push_str(" end)");
        }
        2 => {
            let _ = write!(out, "h[{0}] = field(h[{0}])", 1 + random.below(3));
        }
        3 => {
            let _ = write!(out, "same(h[{}])", 1 + random.below(3));
        }
        4 => out.push_str("collectgarbage()"),
        5 => {
            let before = format!("for _ = 1, {} do ", random.below(20));
            enclosed(random, depth, &before, "end", out);
        }
        6 => enclosed(
            random,
            depth,
            "pcall(coroutine.wrap(function() ",
            "end))",
            out,
        ),
        7 => enclosed(
            random,
            depth,
            "pcall(string.gsub, 'aab', 'a', function() ",
            "end)",
            out,
        ),
        8 => enclosed(
            random,
            depth,
            "pcall(table.sort, { 3, 1, 2 }, function(a, b) ",
            "return a < b end)",
            out,
        ),
        9 => {
            let _ = write!(out, "pcall(rawset, {}, 'x', ", random.one(VALUES));
            value(random, depth - 1, out);
            out.push(')');
        }
        10 => {
            let of = random.one(&[
                "io.open('f1', 'w')",
                "failed",
                "''",
                "1LL",
                "h[1]",
                "g[1]",
                "print",
                "coroutine.running()",
            ]);
            let method = random.one(METHODS);
            let _ = write!(
                out,
                "pcall(function() getmetatable({of}).{method} = function(...) "
            );
            block(random, depth - 1, out);
            out.push_str("return ... end end)");
        }
        11 => {
            let _ = write!(out, "{} = ", random.one(FUNCTIONS));
            value(random, depth - 1, out);
        }
        _ => {
            out.push_str("xpcall(function() ");
            block(random, depth - 1, out);
            out.push_str("error({}) end, function() ");
            block(random, depth - 1, out);
            out.push_str("end)");
        }
    }
    out.push_str("; ");
}

fn block(random: &mut Random, depth: u32, out: &mut String) {
    for _ in 0..=random.below(3) {
        statement(random, depth, out);
    }
}

/// A script of many programs, each run when it is loaded and for the first events.
fn script(seed: u64) -> String {
    let mut random = Random(seed);
    let mut out = format!(
        "{HEAD}{}",
        r"
g, h = {}, {}
_, failed = pcall(chisel.set_filter, 'x = (')
local ask, field, stop, pcall, load, write = chisel.request_field, evt.field, collectgarbage, pcall, load, print
local open, tostring = io.open, tostring
for i, name in ipairs { 'evt.buffer', 'evt.args', 'proc.cmdline' } do h[i] = ask(name) end
local handles = { unpack(h) }
function _G.field(handle) local _, text = pcall(field, handle) return handles[#tostring(text) % 3 + 1] end
-- Finalizers that ask for other fields, wherever one can be set.
local turn = 0
local function collected() turn = turn + 1 pcall(field, handles[turn % 3 + 1]) end
for _, object in ipairs { open('f', 'w') or '', failed, '', 1LL, h[1], print, coroutine.create(print), evt } do
  pcall(function() getmetatable(object).__gc = collected end)
  pcall(setmetatable, object, { __gc = collected })
end
-- A text is the same with and without a collection while it is made.
stop('setpause', 1) stop('setstepmul', 100000)
local function same(handle)
  for _ = 1, 10 do
    for _ = 1, 3 do pcall(open, 'f', 'w') end
    local made, one = pcall(field, handle)
    stop 'stop'
    local again, two = pcall(field, handle)
    stop 'restart'
    if made and again and one ~= two then write('DIFFERENT', one, two) end
  end
end
_G.same = same
local programs = {}
local function run() for i = 1, #programs do pcall(programs[i]) pcall(same, handles[i % 3 + 1]) end end
function on_init() run() return true end
function on_event() run() return true end
function on_capture_end() run() write('ended') end
"
    );
    for _ in 0..PROGRAMS {
        let mut program = String::new();
        for _ in 0..4 {
            statement(&mut random, DEPTH, &mut program);
        }
        let _ = writeln!(out, "programs[#programs + 1] = load([==[{program}]==])");
    }
    out
}

#[test]
fn random_programs_are_harmless() {
    let number = |name: &str, otherwise| {
        let given = env::var(name).ok();
        given.map_or(otherwise, |text| text.parse::<u64>().unwrap())
    };
    let programs = number("SCAP_LUA_PROGRAMS", 200);
    let first = number("SCAP_LUA_SEED", 1);
    let seeds: Vec<u64> = (first..first + programs.div_ceil(PROGRAMS)).collect();
    each(&seeds, |dir, seed| {
        let out = dir.join("out");
        fs::create_dir(&out).unwrap();
        let path = dir.join("random.lua");
        fs::write(&path, script(*seed)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_scap"))
            .args(["read", CAPTURE, "-n", "5", "--chisel-instructions", "5"])
            .args([
                "--chisel-memory",
                "64",
                "--chisel-timeout",
                "1",
                "--chisel-output",
            ])
            .arg(&out)
            .arg("-c")
            .arg(&path)
            .current_dir(dir)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let is_right = matches!(output.status.code(), Some(0..=2))
            && !stdout.contains("DIFFERENT")
            && !stderr.contains("panicked")
            && fs::read_dir(dir).unwrap().count() == 2;
        let files: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|f| f.unwrap().file_name())
            .collect();
        (!is_right).then(|| {
            format!(
                "SCAP_LUA_SEED={seed}: {:?} {files:?} {stderr} {stdout}",
                output.status
            )
        })
    });
}
