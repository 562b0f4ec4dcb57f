description = "Shows the data sent to and received from an address, at either end."
short_description = "Data to and from an address"
category = "Net"
args = {
  { name = "host_ip", argtype = "ipv4", description = "the address, IPv4 or IPv6" },
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "accepted for sysdig; output is never coloured",
  },
}

local lines = require "scap_io"

function on_init()
  local address = scap.arg("host_ip")
  if address:find("[^%x.:]") then error("the address has to be one of IPv4 or IPv6", 0) end
  lines.on_init("fd.type in (ipv4, ipv6) and fd.ip=" .. address)
  return true
end

function on_event()
  lines.print()
end
