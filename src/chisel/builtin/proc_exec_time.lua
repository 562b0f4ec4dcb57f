description = "Processes with their run time, when they exit. Processes that started before the capture are left " ..
  "out, and so are threads."
short_description = "Run time of processes"
category = "Performance"
args = {
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "accepted for sysdig; output is never coloured",
  },
}

local duration = chisel.request_field("proc.duration")
local pid = chisel.request_field("proc.pid")
local command = chisel.request_field("proc.cmdline")
local container = require "scap_container"

function on_init()
  chisel.set_filter("evt.type=procexit and thread.ismain=true")
  print("ENDED                                 DURATION      PID  COMMAND")
  return true
end

function on_event()
  local ran = evt.field(duration)
  if not ran then return end
  local where = ""
  if sysdig.is_print_container_data() then
    where = "[" .. scap.clean(container()) .. "] "
  end
  print(string.format("%-30s %12.6f s %8d  %s%s", evt.iso(), ran / 1e9, evt.field(pid), where,
    scap.clean(evt.field(command) or "?")))
end
