description = "Processes with the highest CPU usage, in percent of one CPU. Captures of scap have no CPU times of " ..
  "the kernel; for them it is the time between a thread's calls, in which it computed or waited for a " ..
  "CPU."
short_description = "Processes by CPU usage"
category = "CPU Usage"
args = {}

local cpu = require "scap_cpu"

function on_init()
  local names = { "proc.name", "proc.pid" }
  if sysdig.is_print_container_data() then names = { "container.id", "container.name", unpack(names) } end
  return cpu.on_init(names)
end

on_event = cpu.on_event

function on_capture_end()
  cpu.print(sysdig.is_print_container_data() and "Container\tName\tProcess\tPID" or "Process\tPID")
end
