-- Shared by the chisels that save the events around those they show: their times are collected, and
-- at the end the capture is read again with a filter on these times.
local around = {}

-- Limit of the times; a filter with more would be slow.
local MOST = 10000
local moments = {}
local rawtime = chisel.request_field("evt.rawtime.s")
local rawtime_ns = chisel.request_field("evt.rawtime.ns")

-- Returns true if a file was given. Live events cannot be read again.
function around.on_init()
  local file = scap.arg("dump_file_name")
  if file and sysdig.is_live() then error("events can only be saved when a capture is read", 0) end
  if file and file:find('["\\]') then error("the file's name cannot have a quote in it", 0) end
  if not tonumber(scap.arg("dump_range_ms", "1000")) then error("dump_range_ms has to be a number", 0) end
  return true
end

-- Adds the time of this event.
function around.mark()
  if scap.arg("dump_file_name") and #moments < MOST then
    -- A single number would lose its last digits.
    local ns = string.format("%09d", evt.field(rawtime_ns))
    moments[#moments + 1] = string.format("%d", evt.field(rawtime)) .. ns
  end
end

-- Saves the events.
function around.save()
  local file = scap.arg("dump_file_name")
  if not file then return end
  print(string.format("saving the events around %d moments to %s", #moments, scap.clean(file)))
  if #moments == 0 then return end
  local parts = {}
  for _, moment in ipairs(moments) do
    parts[#parts + 1] = string.format("evt.around[%s]=%s", moment, scap.arg("dump_range_ms", "1000"))
  end
  sysdig.run_app(string.format('-r "%s" -w "%s" %s', sysdig.get_evtsource_name(), file,
    table.concat(parts, " or ")))
end

return around
