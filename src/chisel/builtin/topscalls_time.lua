description = "System calls with the most time spent in them, blocking included."
short_description = "System calls by time"
category = "Performance"
args = {}

local top = require "scap_top"

function on_init()
  top {
    by = { "evt.type" },
    columns = { "Syscall" },
    where = "syscall.type exists and evt.latency>0",
    sum = "evt.latency",
    unit = "time",
    limit = 30,
    title = "Time",
  }
  return true
end
