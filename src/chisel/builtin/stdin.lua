description = "Prints what programs read from or write to their standard input (fd 0), and nothing else."
short_description = "Standard input of programs"
category = "I/O"
args = {}

local lines = require "scap_io"

function on_init()
  lines.on_init("fd.num=0")
  return true
end

function on_event()
  io.write(lines.data())
end
