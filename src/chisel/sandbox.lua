-- Lua's standard library as scripts see it. `host` has the functions of the program.
local host, is_strict = ...
local select, tostring, type, error = select, tostring, type, error
local put, put_error = host.put, host.put_error

function print(...)
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
  flush = function() host.flush() return true end,
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
local real_io, real_os, real_debug = io, os, debug
local open, file_type = real_io.open, real_io.type

local denied = function(what)
  return function() host.deny(what) end
end

local own_io = {
  write = function(...) put(...) return stdout end,
  flush = function() host.flush() return true end,
  stdout = stdout,
  stderr = stderr,
  open = function(name, mode)
    local path, why = host.path(name, mode or 'r')
    if not path then return nil, why end
    return open(path, mode)
  end,
  type = function(file)
    if file == stdout or file == stderr then return 'file' end
    return file_type(file)
  end,
  output = function(file)
    if file ~= nil then host.deny('io.output with an argument') end
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
  os.exit = host.exit
  return
end

if host.describes then
  -- A file that takes everything and has nothing in it.
  local nothing = function() return nil end
  local no_file = { read = nothing, lines = function() return nothing end, seek = function() return 0 end }
  for _, name in ipairs { 'write', 'flush', 'setvbuf', 'close' } do
    no_file[name] = function(self) return self end
  end
  own_io.open = function() return no_file end
  host.make_dir = function() return 0 end
end

for _, name in ipairs { 'popen', 'tmpfile', 'lines', 'input', 'read' } do
  own_io[name] = denied('io.' .. name)
end
io = own_io

os = {
  time = real_os.time,
  date = real_os.date,
  clock = real_os.clock,
  difftime = real_os.difftime,
  getenv = function() return nil end,
  exit = host.exit,
  execute = function(command)
    -- Stock scripts make the directory for their files so.
    local dir = type(command) == 'string' and command:match('^mkdir ([%w_./-]+)%s*$')
      or type(command) == 'string' and command:match('^mkdir ([%w_./-]+)%s+2> /dev/null%s*$')
    if dir then return host.make_dir(dir) end
    -- And so for Windows.
    if type(command) == 'string' and command:match('^md [%w_./-]+%s+2> nul%s*$') then return 1 end
    host.deny('os.execute')
  end,
}
for _, name in ipairs { 'remove', 'rename', 'tmpname', 'setlocale' } do
  os[name] = denied('os.' .. name)
end

-- Compiled code is not checked by anybody: only text is loaded.
local real_load = load
function load(chunk, name, _, ...)
  if type(chunk) == 'function' then
    local parts = {}
    repeat
      local part = chunk()
      parts[#parts + 1] = part
    until part == nil or part == ''
    chunk = table.concat(parts)
  end
  if select('#', ...) > 0 then return real_load(chunk, name, 't', (...)) end
  return real_load(chunk, name, 't')
end
function loadstring(chunk, name) return load(chunk, name) end
dofile = denied('dofile')
loadfile = denied('loadfile')
string.dump = nil

local traceback, getinfo = real_debug.traceback, real_debug.getinfo
debug = {
  traceback = function(message) return traceback(tostring(message or ''), 2) end,
  getmetatable = getmetatable,
  getinfo = function(level)
    if type(level) ~= 'number' then return {} end
    -- No tail call: it would be one level less.
    local info = getinfo(level + 1, 'Sl')
    return info
  end,
}
jit = { version = jit.version, version_num = jit.version_num, os = jit.os, arch = jit.arch }

-- Each coroutine has a stack of Lua's, and gsub with a function needs much of the machine's: what is
-- nested in the other has to end before the machine's stack does.
local MAX_NESTED = 16
local nested = 0
local function back(...)
  nested = nested - 1
  return ...
end
local create, resume = coroutine.create, coroutine.resume
function coroutine.resume(thread, ...)
  if nested >= MAX_NESTED then return false, 'too many nested coroutines' end
  nested = nested + 1
  return back(resume(thread, ...))
end
local function unwrap(ok, ...)
  if not ok then error((...), 0) end
  return ...
end
function coroutine.wrap(f)
  local thread = create(f)
  return function(...) return unwrap(coroutine.resume(thread, ...)) end
end
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

package = { path = package.path, cpath = '', preload = {}, config = package.config }
local loaded = {
  string = string, table = table, math = math, io = io, os = os, debug = debug,
  coroutine = coroutine, bit = bit, package = package, jit = jit, _G = _G,
}
package.loaded = loaded
local loading = {}
function require(name)
  local module = loaded[name]
  if module ~= nil then
    if module == loading then error("loop in require of '" .. name .. "'", 2) end
    return module
  end
  local loader = package.preload[name] or host.module(name)
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
module = nil
newproxy = nil
