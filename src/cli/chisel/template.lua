description = "Which programs failed to open what, how often."
short_description = "Files that could not be opened"
category = "Errors"

-- What the word after the chisel's name gives: scap.arg("user") is what the command line says, or the default.
args = {
  { name = "user", description = "only programs of this user", argtype = "string", optional = true },
}

local program, file, result

-- Before the capture is read: which fields are needed, and of which events.
function on_init()
  program = chisel.request_field("proc.name")
  file = chisel.request_field("evt.abspath")
  result = chisel.request_field("evt.res")
  local user = scap.arg("user")
  chisel.set_filter("evt.type in (open, openat, openat2, creat) and evt.failed=true" ..
    (user and (" and user.name=" .. user) or ""))
  return true
end

local counts = {}

-- For each event that passes the filter. A field that is absent is nil.
function on_event()
  local key = string.format("%-20s %-10s %s", evt.field(program) or "?", evt.field(result), evt.field(file) or "?")
  counts[key] = (counts[key] or 0) + 1
end

-- At the end. What comes from the capture can hold what a terminal obeys: scap.clean makes it safe.
function on_capture_end()
  local keys = {}
  for key in pairs(counts) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return counts[a] > counts[b] or counts[a] == counts[b] and a < b end)
  for _, key in ipairs(keys) do print(string.format("%8d %s", counts[key], scap.clean(key))) end
end

-- A table that only counts or adds up needs no code; in place of the three functions above:
--
--   scap.top { by = { "proc.name", "evt.res" }, where = "evt.failed=true", title = "Failed calls" }
