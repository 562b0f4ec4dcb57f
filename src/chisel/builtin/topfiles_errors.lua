description = "Files, directories and unix sockets with the most failed calls, including files that could not be " ..
  "opened or do not exist."
short_description = "Files by failed calls"
category = "Errors"
args = {}

local ranking = require "scap_ranking"

local counts = ranking.new()
local name = chisel.request_field("fd.name")
local paths = {}
for index, field in ipairs { "fs.path.name", "evt.abspath", "evt.arg.path", "evt.arg.name" } do
  paths[index] = chisel.request_field(field)
end
local container = require "scap_container"

function on_init()
  -- isatty is a call that fails on anything but a terminal.
  chisel.set_filter("evt.failed=true and evt.res!=ENOTTY and evt.dir=< and (not fd.type exists or " ..
    "fd.type in (file, directory))")
  return true
end

function on_event()
  local file = evt.field(name)
  for _, path in ipairs(paths) do
    if file and file ~= "" then break end
    file = evt.field(path)
  end
  -- For relative paths the argument has both forms, NAME(PATH); for some calls only the address in
  -- memory.
  if file then file = file:match("%((/.*)%)$") or file end
  if not file or file:sub(1, 1) ~= "/" then return end
  if sysdig.is_print_container_data() then file = container() .. "\t" .. file end
  counts:add(file, 1)
end

function on_capture_end()
  local heading = sysdig.is_print_container_data() and "Container\tFile" or "File"
  counts:print({ "#Errors", heading }, 10, tostring)
end
