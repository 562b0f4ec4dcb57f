-- What the chisels that show the state of the machine have in common: they look at the threads as they are at
-- the first event that is read, so `--from` names the moment.
local state = {}

local seen = false

function state.on_event()
  seen = true
  sysdig.end_capture()
end

-- The threads in the order of their ids, those with an fd that passes the filter; nil if there was no event.
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

-- A thread's fds in the order of their numbers.
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
