description = "Shows the data sent to and received from a port, at either end."
short_description = "Data to and from a port"
category = "Net"
args = {
  { name = "host_port", argtype = "int", description = "the port" },
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "accepted for sysdig; output is never coloured",
  },
}

local lines = require "scap_io"

function on_init()
  local port = tonumber(scap.arg("host_port"))
  if not port then error("the port has to be a number", 0) end
  lines.on_init("fd.type in (ipv4, ipv6) and fd.port=" .. port)
  return true
end

function on_event()
  lines.print()
end
