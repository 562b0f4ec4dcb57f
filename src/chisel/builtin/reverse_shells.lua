description = "Remotely operated shells: a shell whose input and output are a connection (a reverse or a bind " ..
  "shell), commands of a shell whose output goes to one, a terminal whose other end is sent over a " ..
  "connection, and an interactive shell that reads from a pipe. Known false positives: inetd with shell " ..
  "scripts, programs that run the shell of an editor or a test through pipes, terminals forwarded " ..
  "through a TCP connection to another machine."
short_description = "Shells on network connections"
category = "Security"
args = {}

local recent = require "scap_recent"

local SHELLS = "(sh, bash, dash, ash, zsh, ksh, mksh, csh, tcsh, fish, busybox, pwsh)"

local fields = {}
for _, name in ipairs {
  "evt.type", "proc.pid", "proc.ppid", "proc.cmdline", "proc.exeline", "proc.args", "proc.pcmdline", "proc.pexepath", "proc.pexe", "proc.stdin.type",
  "proc.stdin.name", "proc.stdout.type", "proc.stdout.name", "proc.stderr.type", "fd.name", "fd.typechar",
} do
  fields[name] = chisel.request_field(name)
end

local function value(name)
  return evt.field(fields[name])
end

-- Processes that hold the other end of a terminal; shells and relays already reported.
local terminals = recent.new(1000)
local connections = recent.new(10000)
local reported = recent.new(10000)

local function once(key)
  if reported:get(key) then return false end
  reported:set(key, true)
  return true
end

function on_init()
  local is_shell = "proc.name in " .. SHELLS
  chisel.set_filter("evt.dir=< and evt.failed=false and (" ..
    "(evt.type in (execve, execveat) and (" .. is_shell .. " or proc.stdout.type in (ipv4, ipv6))) or " ..
    "(evt.is_io=true and fd.name in (/dev/ptmx, /dev/pts/ptmx)) or " ..
    "(evt.is_io=true and fd.type in (ipv4, ipv6) and fd.l4proto=tcp and fd.is_server=false and " ..
    "not fd.rip in (127.0.0.1, ::1)))")
  return true
end

local INET = { ipv4 = true, ipv6 = true }
local SHELL = {}
for shell in SHELLS:gmatch("%a+") do SHELL[shell] = true end

local function on_exec()
  local name = (value("proc.cmdline") or ""):match("^%S+") or ""
  local input, output = value("proc.stdin.type"), value("proc.stdout.type")
  if SHELL[name] then
    if INET[input] and INET[output] then
      if once(value("proc.pid")) then
        scap.finding("reverse_shell", "a shell whose input and output are a connection",
          { connection = value("proc.stdin.name"), command = value("proc.exeline") })
      end
      return
    end
    local arguments = " " .. (value("proc.args") or "") .. " "
    if (input == "pipe" or input == "unix") and arguments:find(" -i ", 1, true) and
        not arguments:find(" -%a*c") and once(value("proc.pid")) then
      scap.finding("reverse_shell", "an interactive shell that has no terminal", { command = value("proc.exeline") })
    end
    return
  end
  -- The shell itself has it open under another fd number.
  local parent, is_below = value("proc.ppid"), false
  -- In older captures the exepath of a script is the script, not the shell.
  for _, program in ipairs { "proc.pexepath", "proc.pexe", "proc.pexe" } do
    is_below = is_below or SHELL[(value(program) or ""):match("[^/]*$")]
  end
  if is_below and INET[output] and INET[value("proc.stderr.type")] and once(parent) then
    scap.finding("reverse_shell", "a shell's commands have a connection as their output",
      { connection = value("proc.stdout.name"), shell = value("proc.pcmdline") })
  end
end

local function on_io()
  local pid = value("proc.pid")
  if value("fd.typechar") == "f" then
    terminals:set(pid, true)
  else
    connections:set(pid, value("fd.name"))
  end
  local connection = connections:get(pid)
  if connection and terminals:get(pid) and once("terminal " .. pid) then
    scap.finding("reverse_shell", "a terminal that is operated over a connection", { connection = connection })
  end
end

function on_event()
  local ty = value("evt.type")
  if ty == "execve" or ty == "execveat" then on_exec() else on_io() end
end
