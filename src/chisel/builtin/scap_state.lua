-- Shared by the chisels that show the system state: they use the threads at the first event that is
-- read, so `--from` selects the time.
local state = {}

local seen = false

function state.on_event()
  seen = true
  sysdig.end_capture()
end

-- An iterator over the processes, restricted to those with an fd that matches the filter; nil without an
-- event.
function state.processes(filter)
  if not seen then
    print("no event")
    return nil
  end
  return scap.processes(filter)
end

-- The fds of a thread, ordered by number.
function state.fds(thread)
  local fds = {}
  for number, fd in pairs(thread.fdtable) do
    fd.number = number
    fds[#fds + 1] = fd
  end
  table.sort(fds, function(a, b) return a.number < b.number end)
  return fds
end

return state
