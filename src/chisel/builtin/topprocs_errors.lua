description = "Processes most of whose calls failed. A call that would have had to wait (EAGAIN) counts, too."
short_description = "Processes by failed calls"
category = "Errors"
args = {}

function on_init()
  local by, columns = { "proc.name", "proc.pid" }, { "Process", "PID" }
  if sysdig.is_print_container_data() then
    by = { "container.id", "container.name", unpack(by) }
    columns = { "Container", "Name", unpack(columns) }
  end
  scap.top {
    by = by,
    columns = columns,
    optional = { "container.name" },
    where = "evt.failed=true",
    title = "#Errors",
  }
  return true
end
