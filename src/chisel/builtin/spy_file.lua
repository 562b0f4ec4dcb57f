description = "Shows the data that is read from and written to files, optionally of files whose name contains a " ..
  "text."
short_description = "Data of files"
category = "I/O"
args = {
  {
    name = "read_or_write",
    argtype = "string",
    optional = true,
    description = "R for reads, W for writes, RW (the default) for both",
  },
  {
    name = "spy_on_file_name",
    argtype = "string",
    optional = true,
    description = "part of the file name",
  },
}

local lines = require "scap_io"

local DIRECTIONS = { R = " and evt.is_io_read=true", W = " and evt.is_io_write=true", RW = "" }

function on_init()
  local which = DIRECTIONS[scap.arg("read_or_write", "RW"):upper()]
  if not which then error("what to show is R, W or RW", 0) end
  local name = scap.arg("spy_on_file_name", "")
  if name:find('"') then error("the file's name cannot have a quote in it", 0) end
  if name ~= "" then which = which .. ' and fd.name contains "' .. name .. '"' end
  lines.on_init("fd.type=file" .. which)
  return true
end

function on_event()
  lines.print()
end
