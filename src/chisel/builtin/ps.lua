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
  local threads = state.threads(scap.arg("filter"))
  if not threads then return end
  local layout = "%-8s %-8s %-12s %8s %10s %10s  %s"
  print(layout:format("PID", "PPID", "USER", "THREADS", "VIRT", "RES", "COMMAND"))
  local count = {}
  for _, thread in ipairs(threads) do count[thread.pid] = (count[thread.pid] or 0) + 1 end
  for _, thread in ipairs(threads) do
    if thread.tid == thread.pid then
      local command = thread.exe
      for _, argument in ipairs(thread.args) do command = command .. " " .. argument end
      if command == "" then command = "[" .. thread.comm .. "]" end
      print(layout:format(thread.pid, thread.ptid, scap.clean(thread.username), count[thread.pid],
        megabytes(thread.vmsize_kb), megabytes(thread.vmrss_kb), scap.clean(command)))
    end
  end
end
