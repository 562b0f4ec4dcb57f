description = "Containers with the most bytes sent and received over IPv4 and IPv6."
short_description = "Containers by bytes sent and received"
category = "Net"
args = {}

function on_init()
  local by, columns = { "container.id", "container.name" }, { "Container", "Name" }
  scap.top {
    by = by,
    columns = columns,
    optional = { "container.name" },
    where = "container.id!=host and fd.type in (ipv4, ipv6) and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
