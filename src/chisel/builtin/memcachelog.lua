description = "Commands to memcached in its text protocol, on port 11211 or of a process with that name."
short_description = "Commands to memcached"
category = "Application"
args = {
  {
    name = "method",
    argtype = "string",
    optional = true,
    description = "get or set; default both",
  },
  {
    name = "size",
    argtype = "int",
    optional = true,
    description = "only set commands with values of more bytes than this",
  },
}

local data = chisel.request_field("evt.rawarg.data")
local pid = chisel.request_field("proc.pid")
local name = chisel.request_field("proc.name")

function on_init()
  chisel.set_filter("evt.is_io=true and evt.rawres>0 and fd.type in (ipv4, ipv6, unix) and " ..
    "(fd.sport=11211 or proc.name=memcached)")
  return true
end

function on_event()
  for line in (evt.field(data) or ""):gmatch("[^\r\n]+") do
    local method, key, size = line:match("^(%l+) (%S+) ?%d* ?%d* ?(%d*)")
    if method == "gets" then method = "get" end
    local wanted = scap.arg("method")
    if (method == "get" or method == "set") and (not wanted or wanted == method) then
      local least = tonumber(scap.arg("size", ""))
      local bytes = method == "set" and tonumber(size) or nil
      if not least or (bytes and bytes > least) then
        print(string.format("%s %s(%d) %s %s%s", evt.iso(), scap.clean(evt.field(name) or "?"), evt.field(pid),
          method, scap.clean(key), bytes and " " .. bytes .. "B" or ""))
      end
    end
  end
end
