description = "System calls in which most time was spent, waiting included."
short_description = "System calls by time"
category = "Performance"
args = {}

function on_init()
  local by, columns = { "evt.type" }, { "Syscall" }
  if sysdig.is_print_container_data() then
    by = { "container.id", "container.name", unpack(by) }
    columns = { "Container", "Name", unpack(columns) }
  end
  scap.top {
    by = by,
    columns = columns,
    optional = { "container.name" },
    where = "syscall.type exists and evt.latency>0",
    sum = "evt.latency",
    unit = "time",
    limit = 30,
    title = "Time",
  }
  return true
end
