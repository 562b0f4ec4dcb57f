description = "Containers with the most failed calls."
short_description = "Containers by failed calls"
category = "Errors"
args = {}

function on_init()
  local by, columns = { "container.id", "container.name" }, { "Container", "Name" }
  scap.top {
    by = by,
    columns = columns,
    optional = { "container.name" },
    where = "container.id!=host and evt.failed=true",
    title = "#Errors",
  }
  return true
end
