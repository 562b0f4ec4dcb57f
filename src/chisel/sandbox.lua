-- Lua's standard library as scripts see it. `host` has the functions of the program.
--
-- A script can replace every global, and every function in the tables that it is given. What runs here after the script
-- has begun therefore uses locals only; `sandbox.rs` has a test.
local host, is_strict = ...
local _G = _G
local error, getfenv, getmetatable, ipairs, next, pairs, pcall, select, setfenv, setmetatable, tostring, type =
  error, getfenv, getmetatable, ipairs, next, pairs, pcall, select, setfenv, setmetatable, tostring, type
local concat, match = table.concat, string.match
local put, put_error, deny, flush = host.put, host.put_error, host.deny, host.flush
local real_io, real_os, real_debug = io, os, debug
local getinfo, traceback = real_debug.getinfo, real_debug.traceback
local nothing = function() return nil end

function _G.print(...)
  local only = ...
  if type(only) == 'string' and select('#', ...) == 1 then return put(only, '\n') end
  for i = 1, select('#', ...) do
    if i > 1 then put('\t') end
    put((tostring((select(i, ...)))))
  end
  put('\n')
end

local stdout = {
  write = function(self, ...) put(...) return self end,
  flush = function() flush() return true end,
  setvbuf = function() return true end,
  close = function() return true end,
}
local stderr = {
  write = function(self, ...) put_error(...) return self end,
  flush = function() return true end,
  setvbuf = function() return true end,
  close = function() return true end,
}
for _, file in ipairs { stdout, stderr } do
  file.__index = file
  setmetatable(file, { __tostring = function() return 'file (output)' end, __index = file })
end
local open, file_type = real_io.open, real_io.type
local path_of = host.path

local denied = function(what)
  return function() deny(what) end
end

local own_io = {
  write = function(...) put(...) return stdout end,
  flush = function() flush() return true end,
  stdout = stdout,
  stderr = stderr,
  open = function(name, mode)
    local path, why = path_of(name, mode or 'r')
    if not path then return nil, why end
    return open(path, mode)
  end,
  type = function(file)
    if file == stdout or file == stderr then return 'file' end
    return file_type(file)
  end,
  output = function(file)
    if file ~= nil then deny('io.output with an argument') end
    return stdout
  end,
  close = function(file)
    if file ~= nil then return file:close() end
    return true
  end,
}

if not is_strict then
  for name, f in pairs(own_io) do
    if name ~= 'open' then real_io[name] = f end
  end
  real_os.exit = host.exit
  return
end

-- With a finalizer of its own a script would run in the middle of whatever makes an object in Lua, and while the state is
-- closed, when nothing can stop it. Only userdata has finalizers, and files are the only ones that scripts get.
real_debug.getmetatable(real_io.stdout).__metatable = false

if host.describes then
  -- A file that takes everything and has nothing in it.
  local no_file = { read = nothing, lines = function() return nothing end, seek = function() return 0 end }
  for _, name in ipairs { 'write', 'flush', 'setvbuf', 'close' } do
    no_file[name] = function(self) return self end
  end
  own_io.open = function() return no_file end
  host.make_dir = function() return 0 end
end
local make_dir = host.make_dir

for _, name in ipairs { 'popen', 'tmpfile', 'lines', 'input', 'read' } do
  own_io[name] = denied('io.' .. name)
end

local own_os = {
  time = real_os.time,
  date = real_os.date,
  clock = real_os.clock,
  difftime = real_os.difftime,
  getenv = nothing,
  exit = host.exit,
  execute = function(command)
    -- Stock scripts make the directory for their files so.
    local dir = type(command) == 'string'
      and (match(command, '^mkdir ([%w_./-]+)%s*$') or match(command, '^mkdir ([%w_./-]+)%s+2> /dev/null%s*$'))
    if dir then return make_dir(dir) end
    -- And so for Windows.
    if type(command) == 'string' and match(command, '^md [%w_./-]+%s+2> nul%s*$') then return 1 end
    deny('os.execute')
  end,
}
for _, name in ipairs { 'remove', 'rename', 'tmpname', 'setlocale' } do
  own_os[name] = denied('os.' .. name)
end

-- Compiled code is not checked by anybody: only text is loaded.
local real_load = load
local function load_text(chunk, name, _, ...)
  if type(chunk) == 'function' then
    local parts, count = {}, 0
    repeat
      local part = chunk()
      count = count + 1
      parts[count] = part
    until part == nil or part == ''
    chunk = concat(parts)
  end
  if select('#', ...) > 0 then return real_load(chunk, name, 't', (...)) end
  return real_load(chunk, name, 't')
end

local own_debug = {
  traceback = function(message) return traceback(tostring(message or ''), 2) end,
  getmetatable = getmetatable,
  getinfo = function(level)
    if type(level) ~= 'number' then return {} end
    -- No tail call: it would be one level less.
    local info = getinfo(level + 1, 'Sl')
    return info
  end,
}

-- Each coroutine has a stack of Lua's, and gsub with a function needs much of the machine's: what is
-- nested in the other has to end before the machine's stack does.
local MAX_NESTED = 16
local nested = 0
local function back(...)
  nested = nested - 1
  return ...
end
local create, resume, running = coroutine.create, coroutine.resume, coroutine.running
-- The coroutines that the script has made: it must not get hold of those in which the program calls it.
local made = setmetatable({}, { __mode = 'k' })
local function create_own(f)
  local thread = create(f)
  made[thread] = true
  return thread
end
local function resume_nested(thread, ...)
  if nested >= MAX_NESTED then return false, 'too many nested coroutines' end
  nested = nested + 1
  return back(resume(thread, ...))
end
local function unwrap(ok, ...)
  if not ok then error((...), 0) end
  return ...
end
local own_coroutine = {
  create = create_own,
  resume = resume_nested,
  running = function()
    local thread = running()
    if thread ~= nil and made[thread] then return thread end
  end,
  isyieldable = coroutine.isyieldable,
  status = coroutine.status,
  wrap = function(f)
    local thread = create_own(f)
    return function(...) return unwrap(resume_nested(thread, ...)) end
  end,
  yield = coroutine.yield,
}
local gsub = string.gsub
function string.gsub(text, pattern, by, count)
  local kind = type(by)
  if kind ~= 'function' and kind ~= 'table' then return gsub(text, pattern, by, count) end
  if nested >= MAX_NESTED then error('too many nested calls of gsub', 2) end
  nested = nested + 1
  -- An error in `by` must not leave the count behind.
  local function done(ok, ...)
    nested = nested - 1
    if not ok then error((...), 0) end
    return ...
  end
  return done(pcall(gsub, text, pattern, by, count))
end

local package = { path = package.path, cpath = '', preload = {}, config = package.config }
local preload = package.preload
local loaded = {
  string = string, table = table, math = math, io = own_io, os = own_os, debug = own_debug,
  coroutine = own_coroutine, bit = bit, package = package, _G = _G,
  jit = { version = jit.version, version_num = jit.version_num, os = jit.os, arch = jit.arch },
}
package.loaded = loaded
local loading = {}
local module_of = host.module
local function require_own(name)
  local module = loaded[name]
  if module ~= nil then
    if module == loading then error("loop in require of '" .. name .. "'", 2) end
    return module
  end
  local loader = preload[name] or module_of(name)
  loaded[name] = loading
  local ok, result = pcall(loader, name)
  if not ok then
    loaded[name] = nil
    error(result, 0)
  end
  if result ~= nil then loaded[name] = result end
  if loaded[name] == loading then loaded[name] = true end
  return loaded[name]
end

-- The environment of a function is its globals: of what the program made it is nobody else's business.
local ours = {}
local function function_at(f)
  if type(f) ~= 'number' then return f end
  -- Three more: this function, `refuse`, and who calls that.
  local info = f >= 1 and getinfo(f + 3, 'f')
  return info and info.func
end
local function refuse(f, what)
  if ours[function_at(f == nil and 1 or f)] then error(what .. ' of a function of scap is not allowed', 3) end
end
local function getfenv_own(f)
  refuse(f, 'getfenv')
  -- No tail call, and one level more.
  local env = getfenv(type(f) == 'number' and f >= 1 and f + 1 or f or 2)
  return env
end
local function setfenv_own(f, env)
  refuse(f, 'setfenv')
  if type(f) == 'number' and f >= 1 then
    local given = setfenv(f + 1, env)
    return given
  end
  return setfenv(f, env)
end

_G.load = load_text
_G.loadstring = function(chunk, name) return load_text(chunk, name) end
_G.dofile = denied('dofile')
_G.loadfile = denied('loadfile')
_G.require = require_own
_G.getfenv, _G.setfenv = getfenv_own, setfenv_own
_G.module, _G.newproxy = nil, nil
string.dump = nil
for name, library in pairs(loaded) do
  if name ~= '_G' then _G[name] = library end
end

local seen = {}
local function protect(value)
  if type(value) == 'function' then
    ours[value] = true
  elseif type(value) == 'table' and not seen[value] then
    seen[value] = true
    for _, member in next, value do protect(member) end
  end
end
protect(_G)
for _, f in ipairs { load_text, create_own, resume_nested, unwrap, back, function_at, refuse, protect } do ours[f] = true end
