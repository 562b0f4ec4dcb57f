description = "Prints what programs read from or write to their standard error (fd 2), and nothing else."
short_description = "The standard error of programs"
category = "I/O"
args = {
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "for command lines written for sysdig: there are no colours",
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
