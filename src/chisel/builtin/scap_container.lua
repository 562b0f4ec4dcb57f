-- Returns the name of the event's container, or its id if no runtime has described it.
local name = chisel.request_field("container.name")
local id = chisel.request_field("container.id")

return function()
  local called = evt.field(name)
  if called and called ~= "" then return called end
  return evt.field(id) or "?"
end
