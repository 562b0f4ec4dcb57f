description = "Ports of servers, here or elsewhere, to and from which most was sent."
short_description = "Server ports by bytes"
category = "Net"
args = {}

function on_init()
  local by, columns = { "fd.l4proto", "fd.sport" }, { "Proto", "Server port" }
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
