description = "Prints what programs read from or write to their standard error (fd 2), and nothing else."
short_description = "Standard error of programs"
category = "I/O"
args = {
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "accepted for sysdig; output is never coloured",
  },
}

local lines = require "scap_io"

function on_init()
  lines.on_init("fd.num=2")
  return true
end

function on_event()
  io.write(lines.data())
end
