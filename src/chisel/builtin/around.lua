description = "Saves the events around those that pass the filter of the command line, such as evt.type=connect, to " ..
  "a capture of their own."
short_description = "Save the events around others"
category = "Misc"
args = {
  {
    name = "dump_file_name",
    argtype = "string",
    optional = false,
    description = "a capture to write, with the events around each one that is shown",
  },
  {
    name = "dump_range_ms",
    argtype = "int",
    optional = true,
    description = "how many milliseconds before and after belong to it; 1000 if nothing is said",
  },
}

local around = require "scap_around"

on_init = around.on_init
on_event = around.mark
on_capture_end = around.save
