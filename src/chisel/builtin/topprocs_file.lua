description = "Processes with the most bytes read from and written to files."
short_description = "Processes by bytes read and written"
category = "I/O"
args = {}

local top = require "scap_top"

function on_init()
  top {
    by = { "proc.name", "proc.pid" },
    columns = { "Process", "PID" },
    where = "fd.type=file and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
