description = "Files, directories and sockets in the file system on which calls failed most: also those that could " ..
  "not even be opened, or are not there."
short_description = "Files by failed calls"
category = "Errors"
args = {}

local ranking = require "scap_ranking"

local counts = ranking.new()
local path = chisel.request_field("fs.path.name")
local name = chisel.request_field("fd.name")
local is_file = chisel.request_field("fd.type")
local container = chisel.request_field("container.name")

function on_init()
  chisel.set_filter("evt.failed=true and (fs.path.name exists or fd.type in (file, directory))")
  return true
end

function on_event()
  local file = evt.field(path)
  if not file and evt.field(is_file) then file = evt.field(name) end
  if not file or file == "" then return end
  if sysdig.is_print_container_data() then file = (evt.field(container) or "?") .. "\t" .. file end
  counts:add(file, 1)
end

function on_capture_end()
  local heading = sysdig.is_print_container_data() and "Container\tFile" or "File"
  counts:print({ "#Errors", heading }, 10, tostring)
end
