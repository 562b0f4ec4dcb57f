description = "The ten slowest system calls, slowest first, each with its arguments."
short_description = "Slowest calls"
category = "Performance"
args = {}

local MOST = 10
-- The slowest calls so far, slowest first: { latency, line }.
local slowest = {}

local latency = chisel.request_field("evt.latency")
local fields = {}
for _, name in ipairs { "proc.name", "thread.tid", "evt.type", "evt.args" } do
  fields[name] = chisel.request_field(name)
end

function on_init()
  chisel.set_filter("syscall.type exists and evt.latency>0")
  return true
end

function on_event()
  local took = evt.field(latency)
  if #slowest == MOST and took <= slowest[MOST][1] then return end
  local text = {}
  for name, field in pairs(fields) do
    local value = tostring(evt.field(field) or "")
    -- Arguments are escaped already.
    text[name] = name == "evt.args" and value or scap.clean(value)
  end
  local line = string.format("%12.9f s  #%d %s %s (%s) %s %s", took / 1e9, evt.get_num(), evt.iso(),
    text["proc.name"], text["thread.tid"], text["evt.type"], text["evt.args"])
  local at = #slowest
  while at > 0 and slowest[at][1] < took do at = at - 1 end
  table.insert(slowest, at + 1, { took, line })
  slowest[MOST + 1] = nil
end

function on_capture_end()
  for _, call in ipairs(slowest) do print(call[2]) end
end
