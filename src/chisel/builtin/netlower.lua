description = "Reads and writes of connections that took longer than the given time, blocking included, when they " ..
  "return."
short_description = "Slow reads and writes of connections"
category = "Net"
args = {
  { name = "min_ms", argtype = "int", description = "minimum duration in milliseconds; fractions are allowed" },
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "accepted for sysdig; output is never coloured",
  },
}

local slow = require "scap_slow"

function on_init()
  return slow.on_init("fd.type in (ipv4, ipv6) and evt.is_io=true")
end

function on_event()
  slow.print()
end
