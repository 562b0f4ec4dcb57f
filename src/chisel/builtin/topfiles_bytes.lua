description = "Files with the most bytes read and written."
short_description = "Files by bytes read and written"
category = "I/O"
args = {}

local top = require "scap_top"

function on_init()
  top {
    by = { "fd.name" },
    columns = { "File" },
    where = "fd.type=file and evt.is_io=true and evt.rawres>0",
    sum = "evt.rawres",
    unit = "bytes",
    title = "Bytes",
  }
  return true
end
