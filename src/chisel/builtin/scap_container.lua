-- Returns what the container of an event is called: its name, or its id where no runtime has told one.
local name = chisel.request_field("container.name")
local id = chisel.request_field("container.id")

return function()
  local called = evt.field(name)
  if called and called ~= "" then return called end
  return evt.field(id) or "?"
end
