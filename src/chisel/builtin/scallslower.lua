description = "System calls that took longer than the given time, blocking included, when they return."
short_description = "Slow system calls"
category = "Performance"
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
  return slow.on_init("syscall.type exists")
end

function on_event()
  slow.print()
end
