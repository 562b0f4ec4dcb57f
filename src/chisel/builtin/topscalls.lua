description = "The most frequent system calls. Each call counts once, even if the capture has an enter and an exit " ..
  "event."
short_description = "System calls by count"
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
