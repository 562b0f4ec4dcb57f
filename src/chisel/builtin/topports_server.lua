description = "Server ports, local and remote, with the most bytes sent and received."
short_description = "Server ports by bytes"
category = "Net"
args = {}

local top = require "scap_top"

function on_init()
  top {
    by = { "fd.l4proto", "fd.sport" },
    columns = { "Proto", "Server port" },
    where = "fd.type in (ipv4, ipv6) and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
