description = "HTTP/1 requests by method and URL: their number, the time until the response started, or the bytes."
short_description = "HTTP requests by number, time or bytes"
category = "Application"
args = {
  {
    name = "by",
    argtype = "string",
    optional = true,
    description = "ncalls (the default), time or bytes",
  },
}

local http = require "scap_http"
local ranking = require "scap_ranking"

local totals = ranking.new()
local MEASURES = {
  ncalls = { function() return 1 end, tostring },
  time = { function(request) return request.latency end, function(ns) return ("%.3fms"):format(ns / 1e6) end },
  bytes = { function(request) return request.bytes end, function(bytes) return bytes .. "B" end },
}
local measure

function on_init()
  measure = MEASURES[scap.arg("by", "ncalls")]
  if not measure then error("it is by ncalls, time or bytes", 0) end
  return http.on_init()
end

function on_event()
  local request = http.on_event()
  if not request then return end
  local name = request.method .. "\t" .. request.url
  if sysdig.is_print_container_data() then name = request.container .. "\t" .. name end
  totals:add(name, measure[1](request))
end

function on_capture_end()
  local heading = "Method\tURL"
  if sysdig.is_print_container_data() then heading = "Container\t" .. heading end
  totals:print({ scap.arg("by", "ncalls"), heading }, 30, measure[2])
end
