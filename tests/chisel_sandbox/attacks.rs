//! Scripts that attack the program: lists of what they do, and what is to come of it.

/// Loops that only the limit of instructions ends, as the body of a function.
pub(crate) const LOOPS: &[&str] = &[
    "while true do end",
    "::again:: goto again",
    "repeat until false",
    "for i = 1, math.huge do end",
    "for _ in function() return 1 end do end",
    "local function f() return f() end f()",
    "while true do pcall(function() while true do end end) end",
    "while true do pcall(coroutine.wrap(function() while true do end end)) end",
    "repeat until not xpcall(error, function() while true do end end)",
    "while true do pcall(error) end",
    "while true do xpcall(error, error) end",
    "while true do tostring({}) end",
    "while true do local x = ('x'):rep(1000) end",
    "while true do io.write('') end",
    "while true do evt.get_num() end",
    "while true do evt.field(nil) end",
    "while true do pcall(evt.field, {}) end",
    "while true do sysdig.make_ts(1, 1) end",
    "while true do chisel.set_filter('evt.num > 0') end",
    "while true do sysdig.get_thread_table('proc.pid = 1') end",
    "while true do collectgarbage('step') end",
    "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
    "while true do coroutine.wrap(function() end)() end",
    "while true do setmetatable({}, {}) end",
    "while true do load('return 1')() end",
    "while true do pcall(require, 'no.such.module') end",
    "while true do os.date('*t') os.time() end",
    "('a'):gsub('a', function() while true do end end)",
    "table.sort({ 3, 2, 1 }, function() while true do end end)",
    "return setmetatable({}, { __index = function() while true do end end }).x",
    "setmetatable({}, { __newindex = function() while true do end end }).x = 1",
    "return setmetatable({}, { __concat = function() while true do end end }) .. 'x'",
    "return setmetatable({}, { __call = function() while true do end end })()",
    "return -setmetatable({}, { __unm = function() while true do end end })",
    "local m = { __eq = function() while true do end end } return setmetatable({}, m) == setmetatable({}, m)",
    "local m = { __lt = function() while true do end end } return setmetatable({}, m) < setmetatable({}, m)",
    "print(setmetatable({}, { __tostring = function() while true do end end }))",
    "getmetatable('').__index = function() while true do end end return ('x').y",
    "load(function() while true do end end)",
    "local function loop() while true do end end setfenv(loop, {}) loop()",
    // With everything replaced that a watch could be made of.
    "pcall, error, print, coroutine, debug = nil while true do end",
    "local all = _G for name in pairs(all) do all[name] = function() end end while true do end",
];

/// Patterns that take years, which only the time limit ends.
pub(crate) const PATTERNS: &[&str] = &[
    "(('a'):rep(5000)):find('.-.-.-.-b')",
    "(('a'):rep(5000)):match('.-.-.-.-b')",
    "(('a'):rep(5000)):gsub('.-.-.-.-b', '')",
    "(('a'):rep(5000)):gsub('.-.-.-.-b', function() end)",
    "for _ in (('a'):rep(5000)):gmatch('.-.-.-.-b') do end",
    "pcall(string.find, ('a'):rep(5000), '.-.-.-.-b')",
    "coroutine.wrap(function() return (('a'):rep(5000)):find('.-.-.-.-b') end)()",
];

/// Whole scripts in which `BODY` is called from each place that the program calls.
pub(crate) const PLACES: &[(&str, &str)] = &[
    ("main chunk", "BODY"),
    ("on_init", "function on_init() BODY end"),
    (
        "on_capture_start",
        "function on_capture_start() BODY end function on_event() end",
    ),
    ("on_event", "function on_event() BODY end"),
    (
        "on_interval",
        "function on_init() chisel.set_interval_ns(1) return true end
         function on_event() end function on_interval() BODY end",
    ),
    (
        "on_capture_end",
        "function on_event() end function on_capture_end() BODY end",
    ),
    (
        "a module",
        "package.preload.m = function() BODY end require 'm'",
    ),
];

/// The body of `on_event`, and what standard error says.
pub(crate) const FAILING: &[(&str, &str)] = &[
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
    (
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
        "exceeded its memory limit",
    ),
    (
        "load(function() return ('x'):rep(1e6) end)",
        "exceeded its memory limit",
    ),
    (
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(i) end",
        "exceeded its memory limit",
    ),
    (
        "local t = {} for i = 1, 1e6 do t[i] = ('x'):rep(1000) end table.concat(t)",
        "exceeded its memory limit",
    ),
    ("unpack({}, 1, 1e9)", "too many results"),
    ("string.byte(('x'):rep(1e7), 1, -1)", "too long"),
    ("return ('%s'):rep(1e6):format()", "value expected"),
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
    (
        "local t = {} for i = 1, 300 do t = setmetatable({}, { __index = t }) end return t.x.y",
        "loop in gettable",
    ),
    ("load(('('):rep(1e5) .. '1')()", "call a nil"),
    // With the guard of gsub taken away as far as a script can.
    (
        "pcall = function(f, ...) return true, f(...) end local function f() return (('a'):gsub('a', f)) end f()",
        "too many nested calls of gsub",
    ),
    (
        "coroutine.resume = function() end coroutine.create = nil error = nil
         local function f() return coroutine.wrap(f)() end f()",
        "too many nested coroutines",
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
    (
        "string.match = function() return 'broken-out' end os.execute('touch broken-out')",
        "os.execute is not allowed",
    ),
    (
        "getmetatable('').__index = { match = function() return 'broken-out' end } os.execute('touch broken-out')",
        "os.execute is not allowed",
    ),
    (
        "type = function() return 'string' end os.execute({})",
        "os.execute is not allowed",
    ),
    ("os.execute()", "os.execute is not allowed"),
    ("os.remove('hostile.lua')", "os.remove is not allowed"),
    (
        "os.rename('hostile.lua', 'broken-out')",
        "os.rename is not allowed",
    ),
    ("os.tmpname()", "os.tmpname is not allowed"),
    ("os.setlocale('C')", "os.setlocale is not allowed"),
    ("io.open('broken-out', 'w')", "--chisel-output"),
    ("io.open('hostile.lua', 'r+')", "--chisel-output"),
    ("io.open('hostile.lua', 'a')", "--chisel-output"),
    ("io.lines('/etc/passwd')", "io.lines is not allowed"),
    ("io.input('/etc/passwd')", "io.input is not allowed"),
    ("io.read()", "io.read is not allowed"),
    ("io.tmpfile()", "io.tmpfile is not allowed"),
    (
        "io.output('broken-out')",
        "io.output with an argument is not allowed",
    ),
    ("dofile('/etc/passwd')", "dofile is not allowed"),
    ("loadfile('/etc/passwd')", "loadfile is not allowed"),
    ("require('ffi')", "module 'ffi'"),
    ("local x = 1LL require('ffi')", "module 'ffi'"),
    ("require('jit.util')", "module 'jit.util'"),
    ("require('jit.opt')", "module 'jit.opt'"),
    ("require('string.buffer')", "module 'string.buffer'"),
    ("require('table.new')", "module 'table.new'"),
    ("require('../../etc/passwd')", "module '../../etc/passwd'"),
    ("require('/etc/passwd')", "module '/etc/passwd'"),
    ("require('..passwd')", "module '..passwd'"),
    ("require('a\\0b')", "module 'a"),
    ("require({})", "expected string or number"),
    (
        "package.path = '/etc/?' package.cpath = '/lib/?.so' require('passwd')",
        "module 'passwd'",
    ),
    ("package.loadlib('libc.so.6', '*')", "nil value"),
    (
        "sysdig.udp_setpeername('127.0.0.1', '9')",
        "sending is not allowed",
    ),
    ("sysdig.udp_send('x')", "comes after udp_setpeername"),
    (
        "sysdig.run_app('-w broken-out -r ' .. sysdig.get_evtsource_name()) sysdig.end_capture()",
        "wants to write broken-out",
    ),
    (
        "sysdig.run_app('-r /etc/passwd --help') sysdig.end_capture()",
        "an invalid `scap read` command line",
    ),
    (
        "sysdig.run_app('--chisel-unsafe --chisel-timeout 9999 -c nosuchchisel -r ' .. sysdig.get_evtsource_name()) sysdig.end_capture()",
        "no chisel `nosuchchisel`",
    ),
    // Environments, and coroutines of the program.
    ("setfenv(load, {})", "setfenv of a function of scap"),
    ("setfenv(string.gsub, {})", "setfenv of a function of scap"),
    ("setfenv(print, {})", "setfenv of a function of scap"),
    ("getfenv(require)", "getfenv of a function of scap"),
    ("getfenv(os.execute).x = 1", "getfenv of a function of scap"),
    ("setfenv(evt.field, {})", "cannot change environment"),
    ("setfenv(99, {})", "invalid level"),
    ("coroutine.resume(coroutine.running())", "bad argument"),
    ("coroutine.yield(1)", "attempt to yield"),
    ("getmetatable(io.open('x')).__gc = error", "nil value"),
    ("debug.setmetatable(io.stdout, {})", "nil value"),
    ("debug.sethook()", "nil value"),
    ("debug.getregistry()", "nil value"),
    ("debug.upvaluejoin()", "nil value"),
    ("jit.off()", "nil value"),
    ("newproxy(true)", "nil value"),
    ("module('x')", "nil value"),
    ("string.dump(print)", "nil value"),
    // Nonsense.
    ("error({})", "error object is a table"),
    ("error()", "error object is a nil"),
    (
        "error(setmetatable({}, { __tostring = function() error('x') end }))",
        "error object is a table",
    ),
    (
        "error(setmetatable({}, { __tostring = function() while true do end end }))",
        "error object is a table",
    ),
    ("error(coroutine.create(print))", "error object is a thread"),
    ("error('\\27]0;own\\7')", "\\x1b]0;own\\x07"),
    ("evt.field({})", "what chisel.request_field returned"),
    ("evt.field(io.stdout)", "what chisel.request_field returned"),
    ("evt.field('evt.num')", "what chisel.request_field returned"),
    ("chisel.set_filter('proc.name = ')", "expected a value"),
    ("chisel.set_filter('\\27]0;own\\7 = ')", "\\x1b]0;own\\x07"),
    (
        "chisel.request_field('no.field')",
        "unknown field `no.field`",
    ),
    ("chisel.set_interval_s(-1)", "an interval is a number"),
    ("chisel.set_event_formatter('%nothing')", "invalid format"),
    (
        "while true do chisel.request_field('evt.num') end",
        "too many fields are requested",
    ),
    // Memory of the program, for which Lua's does not account.
    (
        "local big = ('x'):rep(500000) for i = 1, 5000 do chisel.request_field('proc.env[' .. big .. i .. ']') end",
        "too many fields are requested",
    ),
    (
        "chisel.request_field('proc.env[' .. ('x'):rep(2000000) .. ']')",
        "a text of more than 1 MiB",
    ),
    (
        "chisel.set_filter(('fd.name = x or '):rep(200000) .. 'fd.name = y')",
        "a text of more than 1 MiB",
    ),
    (
        "chisel.set_event_formatter(('%proc.name '):rep(200000))",
        "a text of more than 1 MiB",
    ),
    (
        "local t = {} for i = 1, 300 do t[i] = \"fd.name regex '(a{1,90}){1,60}\" .. i .. \"'\" end chisel.set_filter(table.concat(t, ' or '))",
        "more than 200 regular expressions",
    ),
    ("scap.clean(('\\0'):rep(17000000))", "at most 16 MiB"),
    (
        "scap.top(setmetatable({}, { __index = error }))",
        "`by` is missing",
    ),
];

/// Whole scripts, and what they print.
pub(crate) const PRINTING: &[(&str, &str)] = &[
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
    ("print(pcall(function() return (1LL).x end) == true, pcall(1LL) == true)", "false\tfalse\n"),
    // Compiled code.
    (
        "print((load('\\27LJ\\2\\0')), (loadstring('\\27LJ\\2\\0')), (load('return 1')()))",
        "nil\tnil\t1\n",
    ),
    (
        "local n = 0 print((load(function() n = n + 1 return n == 1 and '\\27LJ' or nil end)), (load('\\27LJ', 'x', 'b')), (load('\\27LJ', 'x', 'bt', {})))",
        "nil\tnil\tnil\n",
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
    // Metatables of the program's objects are closed.
    (
        "local _, e = pcall(chisel.set_filter, 'x = (') print(type(e), getmetatable(e), (pcall(setmetatable, e, {})))",
        "userdata\tfalse\tfalse\n",
    ),
    (
        "print(getmetatable(print), getmetatable(evt), getmetatable(sysdig), getmetatable(chisel.request_field('evt.num')))",
        "nil\tnil\tnil\tnil\n",
    ),
    ("print(debug.getmetatable == getmetatable, rawget(debug, 'setmetatable'))", "true\tnil\n"),
    // Nothing of a script runs when its objects are collected.
    (
        "setmetatable({}, { __gc = function() print('collected') end }) collectgarbage() collectgarbage() print('end')",
        "end\n",
    ),
    // The program does not use what a script has put in the place of its functions.
    (
        "local G, called = {}, {}
         local type = type
         local function spied(t) for k, v in next, t do if type(v) == 'function' then G[k] = v t[k] = function() called[#called + 1] = k end end end end
         local call, say, wrap, each = pcall, print, coroutine.wrap, ipairs
         for _, t in each { string, table, os, io, debug, coroutine, bit, _G } do spied(t) end
         local n = 0
         local again = function() n = n + 1 if n < 3 then return ' ' end end
         local tried = { G.gsub, G.execute, G.load, G.loadstring, G.require, G.wrap, G.resume, G.create, G.open, G.close, G.traceback, G.getinfo, G.getfenv, G.running, G.output, G.type, G.date }
         for i = 1, #tried do for _, given in each { 'x', again, 1, {} } do call(tried[i], given, 'x', again) call(wrap(function() tried[i](given) end)) end end
         call(G.execute, 'mkdir x') call(G.require, 'string') call(G.require, 'none') call(G.write)
         say(#called, called[1])",
        "0\tnil\n",
    ),
    // Environments.
    (
        "print(getfenv() == _G, getfenv(1) == _G, getfenv(function() end) == _G, (pcall(getfenv, -1)))",
        "true\ttrue\ttrue\tfalse\n",
    ),
    (
        "local e = setmetatable({}, { __index = _G }) setfenv(1, e) x = 1 print(rawget(_G, 'x'), e.x)",
        "nil\t1\n",
    ),
    (
        "('a'):gsub('a', function() for level = 1, 9 do pcall(setfenv, level, _G) end end) print(type(string.gsub('a', 'a', tostring)))",
        "string\n",
    ),
    // Coroutines of the program.
    (
        "print(coroutine.running(), coroutine.wrap(function() return type(coroutine.running()) end)())",
        "nil\tthread\n",
    ),
    // Numbers and sizes beyond all limits.
    (
        "print((pcall(string.rep, 'x', -1)), (pcall(string.rep, '', 1e9)), (pcall(os.date, '*t', 1e300)), (pcall(os.date, ('%c'):rep(1e5))), (pcall(string.format, '%.99f', 1e308)))",
        "true\ttrue\ttrue\ttrue\ttrue\n",
    ),
    (
        "for _, n in ipairs { 0/0, 1/0, -1/0, 2^53, -2^53, 1e308, -0 } do pcall(sysdig.make_ts, n, n) pcall(chisel.set_interval_ns, n) pcall(chisel.set_interval_s, n) pcall(chisel.set_precise_interval_ns, n) pcall(sysdig.set_snaplen, n) end print('end')",
        "end\n",
    ),
    (
        "_G.x = _G _G._G = nil getmetatable('').__index = nil print(type(x.string))",
        "table\n",
    ),
];

/// Tries every function of the API with everything that a script can make, and says how many calls it made.
pub(crate) const EVERYTHING: &str = r"
    local co = coroutine.create(function() end)
    local cyclic = {} cyclic[1] = cyclic cyclic.x = cyclic setmetatable(cyclic, { __index = cyclic })
    local hostile = setmetatable({}, { __index = error, __newindex = error, __call = error, __len = error, __concat = error,
      __eq = error, __lt = error, __le = error, __tostring = error, __mode = 'kv', __metatable = false })
    local lying = setmetatable({}, { __index = function(_, k) return k end, __tostring = function() return {} end })
    local _, failed = pcall(chisel.set_filter, 'x = (')
    local values = { false, true, 0, -1, 0/0, 1/0, -1/0, 2^53, 1e308, 0.5, '', '\0', '%', ('x'):rep(70000), '\27[2J\200\201',
      'evt.num', 'proc.name', '%evt.args', 'evt.num > 0', '127.0.0.1', cyclic, hostile, lying, {}, { 1, 2, 3 },
      { { name = 'x', field = 'evt.num' } }, print, evt.field, co, io.stdout, failed, 1LL, function() error {} end,
      function() return function() end end, chisel.request_field('evt.num') }
    local skipped = { insert = true, end_capture = true, run_app = true, exit = true, exec = true, finding = true }
    local count = 0
    local function try(f, ...)
      count = count + 1
      pcall(f, ...)
    end
    local function all()
      for _, library in ipairs { sysdig, chisel, evt, scap, io, os, string, table, debug, coroutine, package, bit, math } do
        for name, f in pairs(library) do
          if type(f) == 'function' and not skipped[name] then
            try(f)
            for i = 1, #values do
              try(f, values[i])
              try(f, values[i], values[(i * 7) % #values + 1])
              try(f, values[i], values[(i * 5) % #values + 1], values[(i * 11) % #values + 1])
              try(f, values[(i * 3) % #values + 1], values[i], nil, values[i])
            end
          end
        end
      end
    end
    local quiet = io.write
    io.write, io.output, io.close = nil, nil, nil
    sysdig.log = nil
    local printed = print
    print = nil
    all()
    function on_event() all() chisel.set_filter('evt.num < 0') return false end
    function on_capture_end() all() printed('tried ' .. (count > 10000 and 'all' or count)) end
";
