description = "Shows everything that is read and written: who, how much, from or to what, and the data as far as " ..
  "the capture holds it (see `scap record -s`). Narrow it down with a filter, such as proc.name=nginx."
short_description = "All that is read and written"
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
  lines.on_init("")
  return true
end

function on_event()
  lines.print()
end
