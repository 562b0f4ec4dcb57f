-- Shared by the chisels that show the system state: they use the threads at the first event that is
-- read, so `--from` selects the time.
local state = {}

local seen = false

function state.on_event()
  seen = true
  sysdig.end_capture()
end

-- The threads ordered by id, restricted to those with an fd that matches the filter; nil without an
-- event.
function state.threads(filter)
  if not seen then
    print("no event")
    return nil
  end
  local threads = {}
  for tid, thread in pairs(sysdig.get_thread_table(filter)) do
    thread.tid = tid
    threads[#threads + 1] = thread
  end
  table.sort(threads, function(a, b) return a.tid < b.tid end)
  return threads
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
