description = "Bytes read and written, on files and connections, for each value of the given fields."
short_description = "Bytes read and written by any field"
category = "I/O"
args = {
  {
    name = "key",
    argtype = "string",
    description = "the fields to group by, separated by commas, such as fd.type or proc.name,fd.name",
  },
}

function on_init()
  local keys = {}
  for key in scap.arg("key"):gmatch("[^, ]+") do keys[#keys + 1] = key end
  scap.top {
    by = keys,
    where = "evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    limit = 30,
    title = "Bytes",
  }
  return true
end
