description = "Shows all data that is read and written: process, size, file or connection, and the data itself as " ..
  "far as it was captured (see `scap record -s`). Restrict it with a filter, such as proc.name=nginx."
short_description = "All data read and written"
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
  lines.on_init("")
  return true
end

function on_event()
  lines.print()
end
