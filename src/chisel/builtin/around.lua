description = "Saves the events around each match of the filter of the command line, such as evt.type=connect, " ..
  "to a separate capture."
short_description = "Save the events around others"
category = "Misc"
args = {
  {
    name = "dump_file_name",
    argtype = "string",
    optional = false,
    description = "capture to write the events around each displayed one to",
  },
  {
    name = "dump_range_ms",
    argtype = "int",
    optional = true,
    description = "milliseconds before and after it; default 1000",
  },
}

local around = require "scap_around"

on_init = around.on_init
on_event = around.mark
on_capture_end = around.save
