-- Makes a table with scap.top; with -pc the container precedes the keys.
return function(described)
  if sysdig.is_print_container_data() then
    described.by = { "container.id", "container.name", unpack(described.by) }
    described.columns = { "Container", "Name", unpack(described.columns) }
    described.optional = { "container.name" }
  end
  scap.top(described)
end
