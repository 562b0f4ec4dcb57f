description = "Files on whose reads and writes most time was spent."
short_description = "Files by time in calls"
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
    where = "fd.type=file and evt.is_io=true and evt.latency>0",
    sum = "evt.latency",
    unit = "time",
    title = "Time",
  }
  return true
end
