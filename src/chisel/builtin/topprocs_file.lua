description = "Processes that read and wrote most in files."
short_description = "Processes by bytes read and written"
category = "I/O"
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
    where = "fd.type=file and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
