description = "The connections and listening sockets at the first event that is read (`--from` selects the time)."
short_description = "Connections and listening sockets"
category = "Net"
args = {
  {
    name = "filter",
    argtype = "filter",
    optional = true,
    description = "filter, such as fd.sport=443",
  },
}

local state = require "scap_state"

function on_init()
  return true
end

on_event = state.on_event

-- IPv6 addresses contain colons.
local function ends(address, port)
  return (address:find(":", 1, true) and "[" .. address .. "]" or address) .. ":" .. port
end

function on_capture_end()
  local processes = state.processes(scap.arg("filter"))
  if not processes then return end
  local layout = "%-5s %-32s %-32s %-12s %s"
  print(layout:format("PROTO", "SERVER", "CLIENT", "STATE", "PID/COMMAND/FD"))
  for thread in processes do
    for _, fd in ipairs(state.fds(thread)) do
      -- A socket without addresses is not a connection yet.
      if (fd.type == "ipv4" or fd.type == "ipv6") and fd.sip then
        print(layout:format(fd.l4proto, ends(fd.sip, fd.sport),
          fd.cip and ends(fd.cip, fd.cport) or "*", fd.cip and "ESTABLISHED" or "LISTEN",
          string.format("%d/%s/%d", thread.pid, scap.clean(thread.comm), fd.number)))
      end
    end
  end
end
