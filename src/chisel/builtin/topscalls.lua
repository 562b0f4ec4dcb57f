description = "System calls that were made most often. Each call counts once, also where a capture tells its begin and end."
short_description = "System calls by number"
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
    where = "syscall.type exists and evt.dir=<",
    limit = 30,
    title = "Calls",
  }
  return true
end
