-- Shared by the chisels on slow calls.
local container = require "scap_container"

local slow = {}

local latency = chisel.request_field("evt.latency")
local fields = {}
for _, name in ipairs { "evt.type", "proc.name", "proc.pid", "fd.name" } do
  fields[name] = chisel.request_field(name)
end

local function text(name)
  return scap.clean(tostring(evt.field(fields[name]) or ""))
end

function slow.on_init(filter)
  local least = tonumber(scap.arg("min_ms"))
  if not least then error("min_ms has to be a number", 0) end
  chisel.set_filter(string.format("%s and evt.latency>%d", filter, least * 1e6))
  print("TIME                           LATENCY(ms)  SYSCALL           PROCESS                  FD")
  return true
end

function slow.print()
  local who = text("proc.name") .. "(" .. text("proc.pid") .. ")"
  if sysdig.is_print_container_data() then who = who .. " [" .. scap.clean(container()) .. "]" end
  local line = string.format("%-30s %11.3f  %-16s  %-24s %s",
    evt.iso(), evt.field(latency) / 1e6, text("evt.type"), who, text("fd.name"))
  print((line:gsub(" +$", "")))
end

return slow
