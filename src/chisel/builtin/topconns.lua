description = "Connections and UDP flows with the most bytes sent and received."
short_description = "Connections by bytes"
category = "Net"
args = {}

local top = require "scap_top"

function on_init()
  top {
    by = { "fd.l4proto", "fd.name" },
    columns = { "Proto", "Connection" },
    where = "fd.type in (ipv4, ipv6) and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
