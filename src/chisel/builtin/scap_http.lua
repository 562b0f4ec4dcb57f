-- Finds HTTP/1 requests and their responses in data sent and received, of clients and of servers.
-- Each connection has one open request at a time; only the beginning of the data has to be
-- captured.
local container = require "scap_container"
local recent = require "scap_recent"

local http = {}

-- Requests without a response so far, by process and fd.
local open = recent.new(10000)

local fields = {}
for _, name in ipairs {
  "proc.pid", "proc.name", "fd.num", "fd.name", "evt.rawarg.data", "evt.rawres",
  "evt.is_io_read",
} do
  fields[name] = chisel.request_field(name)
end

local METHODS = {
  GET = true, HEAD = true, POST = true, PUT = true, DELETE = true, PATCH = true, OPTIONS = true, CONNECT = true,
}

function http.on_init()
  chisel.set_filter("evt.is_io=true and evt.rawres>0 and fd.type in (ipv4, ipv6, unix)")
  return true
end

-- Returns the request to which this event is the response, with `code`, `latency` and `bytes`.
function http.on_event()
  local data = evt.field(fields["evt.rawarg.data"])
  if not data then return nil end
  local key = evt.field(fields["proc.pid"]) .. ":" .. (evt.field(fields["fd.num"]) or "?")
  local method, path = data:match("^(%u+) (%S+)")
  if method and METHODS[method] then
    local host = data:match("\r\n[Hh]ost: *([^\r\n]+)")
    open:set(key, {
      method = method,
      -- Requests to a proxy have the whole URL.
      url = path:find("://", 1, true) and path or (host or evt.field(fields["fd.name"]) or "?") .. path,
      time = evt.iso(),
      began = evt.rel_ns(),
      process = evt.field(fields["proc.name"]) or "?",
      pid = evt.field(fields["proc.pid"]),
      container = container(),
      is_server = evt.field(fields["evt.is_io_read"]),
    })
    return nil
  end
  local code = data:match("^HTTP/1%.%d (%d%d%d)")
  local request = code and open:take(key)
  if not request then return nil end
  request.code = tonumber(code)
  request.latency = evt.rel_ns() - request.began
  -- The length in the response header; without it, the bytes received at once.
  request.bytes = tonumber(data:match("\r\n[Cc]ontent%-[Ll]ength: *(%d+)")) or evt.field(fields["evt.rawres"])
  return request
end

return http
