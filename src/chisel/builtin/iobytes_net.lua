description = "Bytes received and sent over IPv4 and IPv6, second by second."
short_description = "Bytes of network I/O per second"
category = "Net"
args = {}

local each = require "scap_each_second"

function on_init()
  return each.on_init("fd.type in (ipv4, ipv6) and ")
end

function on_event() each.on_event() end
function on_interval() return each.on_interval() end
function on_capture_end() each.on_interval() end
