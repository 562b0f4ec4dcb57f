description = "Number of files, connections and pipes that were used, for each value of a field: the files that a " ..
  "process used (proc.name), the connections to each server (fd.sip). A file that is closed and opened " ..
  "again under the same name counts once."
short_description = "Number of files and connections by any field"
category = "I/O"
args = {
  { name = "key", argtype = "string", description = "the field to group by, such as proc.name" },
}

local ranking = require "scap_ranking"
local recent = require "scap_recent"

local counts = ranking.new()
-- Counted names, by group.
local seen = recent.new(200000)
local key
local name = chisel.request_field("fd.name")

function on_init()
  key = chisel.request_field(scap.arg("key"))
  chisel.set_filter("fd.name exists and fd.name!=''")
  return true
end

function on_event()
  local of = evt.field(key)
  if of == nil then return end
  of = tostring(of)
  local both = of .. "\0" .. evt.field(name)
  if seen:get(both) then return end
  seen:set(both, true)
  counts:add(of, 1)
end

function on_capture_end()
  counts:print({ "Count", scap.arg("key") }, 30, tostring)
end
