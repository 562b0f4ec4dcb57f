description = "The processes at the first event that is read (`--from` selects the time), with threads, memory and " ..
  "command lines."
short_description = "Processes"
category = "System State"
args = {
  {
    name = "filter",
    argtype = "filter",
    optional = true,
    description = "only processes with an fd that matches, such as fd.type=ipv4",
  },
}

local state = require "scap_state"

function on_init()
  return true
end

on_event = state.on_event

local function megabytes(kb)
  return string.format("%.2fM", kb / 1024)
end

function on_capture_end()
  local processes = state.processes(scap.arg("filter"))
  if not processes then return end
  local layout = "%-8s %-8s %-12s %8s %10s %10s  %s"
  print(layout:format("PID", "PPID", "USER", "THREADS", "VIRT", "RES", "COMMAND"))
  for thread in processes do
    table.insert(thread.args, 1, thread.exe)
    local command = table.concat(thread.args, " ")
    if command == "" then command = "[" .. thread.comm .. "]" end
    print(layout:format(thread.pid, thread.ptid, scap.clean(thread.username), thread.nchilds + 1,
      megabytes(thread.vmsize_kb), megabytes(thread.vmrss_kb), scap.clean(command)))
  end
end
