description = "Programs that are executed from memory: their file was created by memfd_create and never had a place " ..
  "in a file system. Container runtimes execute a copy of themselves like this, and are excluded by its " ..
  "name. Known false positives: programs packed to run from memory."
short_description = "Programs executed from memory"
category = "Security"
args = {}

local path = chisel.request_field("proc.exepath")
local command = chisel.request_field("proc.exeline")
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
