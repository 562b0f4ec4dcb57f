description = "The containers that are known at the end of the capture, and those known only from events; live, the " ..
  "current ones. `scap containers` shows more details."
short_description = "Containers"
category = "System State"
args = {
  {
    name = "desc",
    argtype = "string",
    optional = true,
    description = "any value: a list of each container's properties instead of a table",
  },
}

-- Containers without a description are known by their events.
local MOST = 10000
local seen, count = {}, 0
local id = chisel.request_field("container.id")
local kind = chisel.request_field("container.type")

function on_init()
  chisel.set_filter("container.id exists and not container.id in ('', host)")
  if sysdig.is_live() then chisel.set_filter("") end
  return true
end

function on_event()
  if sysdig.is_live() then sysdig.end_capture() end
  local of = evt.field(id)
  if of and of ~= "host" and not seen[of] and count < MOST then
    seen[of] = { id = of, type = evt.field(kind) or "", name = "", image = "" }
    count = count + 1
  end
end

function on_capture_end()
  local containers = sysdig.get_container_table()
  for _, container in ipairs(containers) do seen[container.id] = nil end
  for _, container in pairs(seen) do containers[#containers + 1] = container end
  table.sort(containers, function(a, b) return a.id < b.id end)
  local in_full = scap.arg("desc")
  local layout = in_full and "id: %s\ntype: %s\nname: %s\nimage: %s\n" or "%-12s  %-11s  %-32s  %s"
  if not in_full then print(layout:format("ID", "TYPE", "NAME", "IMAGE")) end
  for _, container in ipairs(containers) do
    local line = layout:format(container.id, container.type, scap.clean(container.name), scap.clean(container.image))
    print(in_full and line or (line:gsub(" +$", "")))
  end
end
