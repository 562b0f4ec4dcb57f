description = "Containers with the highest CPU usage, in percent of one CPU, the host included. Captures of scap " ..
  "have no CPU times of the kernel; for them it is the time between a thread's calls, in which it " ..
  "computed or waited for a CPU."
short_description = "Containers by CPU usage"
category = "CPU Usage"
args = {}

local cpu = require "scap_cpu"

function on_init()
  return cpu.on_init { "container.id", "container.name" }
end

on_event = cpu.on_event

function on_capture_end()
  cpu.print("Container\tName")
end
