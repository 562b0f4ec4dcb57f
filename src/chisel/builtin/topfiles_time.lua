description = "Files with the most time spent in reads and writes."
short_description = "Files by time in calls"
category = "I/O"
args = {}

local top = require "scap_top"

function on_init()
  top {
    by = { "fd.name" },
    columns = { "File" },
    where = "fd.type=file and evt.is_io=true and evt.latency>0",
    sum = "evt.latency",
    unit = "time",
    title = "Time",
  }
  return true
end
