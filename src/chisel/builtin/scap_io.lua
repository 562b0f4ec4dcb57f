-- Shared by the chisels that show data read and written: a line about the call, then its data as
-- far as it was captured, as printable text.
local container = require "scap_container"

local io_lines = {}

local fields = {}
for _, name in ipairs {
  "proc.name", "proc.pid", "fd.name", "evt.rawres", "evt.is_io_read", "evt.buffer",
} do
  fields[name] = chisel.request_field(name)
end

-- Selects calls that match a filter and transferred data.
function io_lines.on_init(filter)
  sysdig.set_output_format("ascii")
  local moved = "evt.is_io=true and evt.rawres>0"
  chisel.set_filter(filter == "" and moved or filter .. " and " .. moved)
end

-- The data of this event as text; the line break at its start is not part of it.
function io_lines.data()
  return ((evt.field(fields["evt.buffer"]) or ""):gsub("^\n", ""))
end

-- Prints this event.
function io_lines.print()
  local is_read = evt.field(fields["evt.is_io_read"])
  local where = ""
  if sysdig.is_print_container_data() then
    where = " [" .. container() .. "]"
  end
  print(string.format("------ %s %s(%s)%s %s %d bytes %s %s",
    evt.iso(),
    scap.clean(evt.field(fields["proc.name"]) or "?"),
    evt.field(fields["proc.pid"]) or "?",
    scap.clean(where),
    is_read and "reads" or "writes",
    evt.field(fields["evt.rawres"]),
    is_read and "from" or "to",
    scap.clean(evt.field(fields["fd.name"]) or "?")))
  local data = io_lines.data()
  io.write(data, data:find("\n$") and "" or "\n")
end

return io_lines
