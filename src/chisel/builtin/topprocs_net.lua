description = "Processes with the most bytes sent and received over IPv4 and IPv6."
short_description = "Processes by bytes sent and received"
category = "Net"
args = {}

local top = require "scap_top"

function on_init()
  top {
    by = { "proc.name", "proc.pid" },
    columns = { "Process", "PID" },
    where = "fd.type in (ipv4, ipv6) and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
