description = "HTTP/1 requests with their responses, one per line, of clients (>) and servers (<), if they are not " ..
  "encrypted. Record with a larger `-s` to get the host name of long requests, too."
short_description = "HTTP requests"
category = "Application"
args = {}

local http = require "scap_http"

on_init = http.on_init

function on_event()
  local request = http.on_event()
  if not request then return end
  local where = sysdig.is_print_container_data() and " [" .. request.container .. "]" or ""
  print(scap.clean(string.format("%s %s %s(%d)%s method=%s url=%s response_code=%d latency=%.3fms size=%dB",
    request.time, request.is_server and "<" or ">", request.process, request.pid, where, request.method,
    request.url, request.code, request.latency / 1e6, request.bytes)))
end
