description = "Reads and writes of connections that took longer than so many milliseconds, waiting included, as they end."
short_description = "Reads and writes of connections that are slow"
category = "Net"
args = {
  { name = "min_ms", argtype = "int", description = "the milliseconds; parts of one are possible" },
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "for command lines written for sysdig: there are no colours",
  },
}

local slow = require "scap_slow"

function on_init()
  return slow.on_init("fd.type in (ipv4, ipv6) and evt.is_io=true")
end

function on_event()
  slow.print()
end
