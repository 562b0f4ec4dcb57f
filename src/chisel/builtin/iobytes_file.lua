description = "Bytes read from and written to files, second by second."
short_description = "Bytes of file I/O per second"
category = "I/O"
args = {}

local each = require "scap_each_second"

function on_init()
  return each.on_init("fd.type=file and ")
end

function on_event() each.on_event() end
function on_interval() return each.on_interval() end
function on_capture_end() each.on_interval() end
