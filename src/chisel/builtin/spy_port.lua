description = "Shows what goes to and comes from a port, of either end."
short_description = "Data to and from a port"
category = "Net"
args = {
  { name = "host_port", argtype = "int", description = "the port" },
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "for command lines written for sysdig: there are no colours",
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
