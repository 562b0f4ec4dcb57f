description = "Programs that are run from memory: their file is one of memfd_create, which no file system ever had. " ..
  "Container runtimes run a copy of themselves so, and are left out by the name it has. Sets it off wrongly: " ..
  "programs packed to run from memory."
short_description = "Programs run from memory"
category = "Security"
args = {}

local path = chisel.request_field("proc.exepath")
local command = chisel.request_field("proc.cmdline")
local parent = chisel.request_field("proc.pcmdline")

function on_init()
  chisel.set_filter("evt.type in (execve, execveat) and evt.dir=< and evt.failed=false and " ..
    "(proc.is_exe_from_memfd=true or proc.exepath startswith /memfd: or proc.exepath startswith memfd:)")
  return true
end

function on_event()
  local file = evt.field(path) or "?"
  if file:find("memfd:runc_cloned:", 1, true) or file:find("memfd:crun", 1, true) then return end
  scap.finding("memfd_exec", "a program is run from memory",
    { file = file, command = evt.field(command), parent = evt.field(parent) })
end
