description = "Reads and writes of files that took longer than the given time, blocking included, when they return."
short_description = "Slow reads and writes of files"
category = "I/O"
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
  return slow.on_init("fd.type=file and evt.is_io=true")
end

function on_event()
  slow.print()
end
