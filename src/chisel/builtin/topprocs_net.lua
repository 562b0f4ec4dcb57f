description = "Processes that sent and received most over IPv4 and IPv6."
short_description = "Processes by bytes sent and received"
category = "Net"
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
    where = "fd.type in (ipv4, ipv6) and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
