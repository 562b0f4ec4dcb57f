description = "Files of which most was read and written."
short_description = "Files by bytes read and written"
category = "I/O"
args = {}

function on_init()
  local by, columns = { "fd.name" }, { "File" }
  if sysdig.is_print_container_data() then
    by = { "container.id", "container.name", unpack(by) }
    columns = { "Container", "Name", unpack(columns) }
  end
  scap.top {
    by = by,
    columns = columns,
    optional = { "container.name" },
    where = "fd.type=file and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
