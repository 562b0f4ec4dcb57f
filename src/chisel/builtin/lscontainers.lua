description = "The containers that a capture knows at its end; while live, those there are now. " ..
  "`scap containers` says more of them."
short_description = "Containers"
category = "System State"
args = {
  {
    name = "desc",
    argtype = "string",
    optional = true,
    description = "anything: each container's facts below each other, instead of a table",
  },
}

function on_init()
  return true
end

function on_event()
  if sysdig.is_live() then sysdig.end_capture() end
end

function on_capture_end()
  local containers = sysdig.get_container_table()
  table.sort(containers, function(a, b) return a.id < b.id end)
  local layout = scap.arg("desc") and "id: %s\ntype: %s\nname: %s\nimage: %s\n" or "%-12s  %-11s  %-32s  %s"
  if not scap.arg("desc") then print(layout:format("ID", "TYPE", "NAME", "IMAGE")) end
  for _, container in ipairs(containers) do
    print(layout:format(container.id, container.type, scap.clean(container.name), scap.clean(container.image)))
  end
end
