description = "Connections and UDP flows over which most was sent and received."
short_description = "Connections by bytes"
category = "Net"
args = {}

function on_init()
  local by, columns = { "fd.l4proto", "fd.name" }, { "Proto", "Connection" }
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
