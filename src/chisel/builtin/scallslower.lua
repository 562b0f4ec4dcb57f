description = "System calls that took longer than so many milliseconds, waiting included, as they end."
short_description = "System calls that are slow"
category = "Performance"
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
  return slow.on_init("syscall.type exists")
end

function on_event()
  slow.print()
end
