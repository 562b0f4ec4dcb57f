description = "Number of system calls by their time within a second, in fiftieths: shows activity at each full " ..
  "second, or every so many milliseconds."
short_description = "Calls by their offset within the second"
category = "Performance"
args = {
  {
    name = "refresh_time",
    argtype = "int",
    optional = true,
    description = "accepted for sysdig; there is one histogram, at the end",
  },
}

local PARTS = 50
local WIDTH = 40
local counts = {}
for part = 1, PARTS do counts[part] = 0 end

function on_init()
  chisel.set_filter("syscall.type exists and evt.dir=<")
  return true
end

function on_event()
  local _, ns = evt.get_ts()
  local part = math.floor(ns * PARTS / 1e9) + 1
  counts[part] = counts[part] + 1
end

function on_capture_end()
  local most = 0
  for _, count in ipairs(counts) do most = math.max(most, count) end
  if most == 0 then return end
  for part, count in ipairs(counts) do
    local bar = ("#"):rep(math.ceil(count * WIDTH / most))
    local line = string.format("%3d ms %9d %s", (part - 1) * 1000 / PARTS, count, bar)
    print((line:gsub(" +$", "")))
  end
end
