description = "Processes with the most failed calls. Calls that would have blocked (EAGAIN) count, too."
short_description = "Processes by failed calls"
category = "Errors"
args = {}

local top = require "scap_top"

function on_init()
  top {
    by = { "proc.name", "proc.pid" },
    columns = { "Process", "PID" },
    where = "evt.failed=true",
    title = "#Errors",
  }
  return true
end
