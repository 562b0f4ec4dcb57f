description = "The open files, sockets and pipes of processes at the first event that is read (`--from` selects the " ..
  "time). Threads that share the fds of their process are not listed separately."
short_description = "Open files and sockets"
category = "System State"
args = {
  {
    name = "filter",
    argtype = "filter",
    optional = true,
    description = "filter, such as 'proc.name=sshd and fd.type=ipv4'",
  },
}

local state = require "scap_state"

function on_init()
  return true
end

on_event = state.on_event

function on_capture_end()
  local processes = state.processes(scap.arg("filter"))
  if not processes then return end
  local layout = "%-16s %-8s %-12s %-6s %-10s %s"
  print(layout:format("COMMAND", "PID", "USER", "FD", "TYPE", "NAME"))
  for thread in processes do
    for _, fd in ipairs(state.fds(thread)) do
      print(layout:format(scap.clean(thread.comm), thread.pid, scap.clean(thread.username),
        fd.number, fd.type, scap.clean(fd.name)))
    end
  end
end
