-- CPU time by the value of a field. If the capture has CPU times of the kernel (`procinfo` events,
-- in sysdig's captures), these are used. Otherwise it is the time between a thread's calls, in
-- which it computed or waited for a CPU. Time in calls, such as copying, is not included.
local ranking = require "scap_ranking"
local recent = require "scap_recent"

local cpu = {}

local computed, reported = ranking.new(), ranking.new()
local samples = 0
-- The end of each thread's last call.
local ends = recent.new(100000)
local keys = {}
local tid = chisel.request_field("thread.tid")
local percent = chisel.request_field("thread.cpu")
local latency = chisel.request_field("evt.latency")
local is_procinfo = chisel.request_field("evt.type.is.procinfo")
local is_exit = chisel.request_field("evt.type.is.procexit")
local seconds = chisel.request_field("evt.reltime.s")
local first, last, last_second

function cpu.on_init(names)
  for index, name in ipairs(names) do keys[index] = chisel.request_field(name) end
  chisel.set_filter("evt.dir=< or evt.type in (procinfo, procexit)")
  return true
end

local function key()
  local parts = {}
  for index, field in ipairs(keys) do parts[index] = tostring(evt.field(field) or "") end
  return table.concat(parts, "\t")
end

function cpu.on_event()
  local now, thread = evt.rel_ns(), evt.field(tid)
  first, last = first or now, now
  if evt.field(is_procinfo) == 1 then
    -- The events of all threads come at once, once per second.
    local second = evt.field(seconds)
    if second ~= last_second then samples, last_second = samples + 1, second end
    reported:add(key(), evt.field(percent) or 0)
    return
  end
  local ended = ends:get(thread)
  if ended then
    local began = now - (evt.field(latency) or 0)
    if began > ended then computed:add(key(), began - ended) end
  end
  if evt.field(is_exit) == 1 then ends:take(thread) else ends:set(thread, now) end
end

function cpu.print(heading)
  if samples > 0 then
    reported:print({ "CPU%", heading }, 10, function(sum) return ("%.2f%%"):format(sum / samples) end)
  elseif last and last > first then
    local span = last - first
    computed:print({ "CPU% (computing)", heading }, 10, function(ns)
      return ("%.2f%%"):format(100 * ns / span)
    end)
  end
end

return cpu
