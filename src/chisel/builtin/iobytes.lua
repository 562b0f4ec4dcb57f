description = "Bytes read and written, files and connections alike, second by second."
short_description = "Bytes read and written per second"
category = "I/O"
args = {}

local each = require "scap_each_second"

function on_init()
  return each.on_init("")
end

function on_event() each.on_event() end
function on_interval() return each.on_interval() end
function on_capture_end() each.on_interval() end
