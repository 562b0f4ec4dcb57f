description = "System calls that were made most often. Each call counts once, also where a capture tells its begin and end."
short_description = "System calls by number"
category = "Performance"
args = {}

local top = require "scap_top"

function on_init()
  top {
    by = { "evt.type" },
    columns = { "Syscall" },
    where = "syscall.type exists and evt.dir=<",
    limit = 30,
    title = "Calls",
  }
  return true
end
