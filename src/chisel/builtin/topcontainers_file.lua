description = "Containers with the most bytes read from and written to files."
short_description = "Containers by bytes read and written"
category = "I/O"
args = {}

function on_init()
  local by, columns = { "container.id", "container.name" }, { "Container", "Name" }
  scap.top {
    by = by,
    columns = columns,
    optional = { "container.name" },
    where = "container.id!=host and fd.type=file and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
