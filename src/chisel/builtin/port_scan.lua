description = "A process that tries many ports of one machine, or one port of many machines of a network (a /24, or a " ..
  "/64 of IPv6). Sets it off wrongly: monitoring that scrapes a whole network, peers of file sharing."
short_description = "Scans of ports and networks"
category = "Security"
args = {
  { name = "targets", argtype = "int", optional = true, description = "how many are many; 15 if nothing is said" },
  { name = "seconds", argtype = "int", optional = true, description = "within how many seconds; 60 if nothing is said" },
}

local recent = require "scap_recent"

-- Ports by process and machine, machines by process, network and port.
local tried = recent.new(5000)

local address_of = chisel.request_field("evt.arg.addr")
local pid_of = chisel.request_field("proc.pid")
local most, within

function on_init()
  most, within = tonumber(scap.arg("targets", "15")), tonumber(scap.arg("seconds", "60"))
  if not most or not within then error("targets and seconds have to be numbers", 0) end
  -- Older captures tell the address when the call begins only.
  chisel.set_filter("evt.type=connect and fd.type in (ipv4, ipv6)")
  return true
end

-- Counts a target; whether these are the many.
local function many(key, target)
  local now, scan = evt.rel_ns(), tried:get(key)
  if not scan or now - scan.since > within * 1e9 then
    scan = { since = now, count = 0, told = scan and scan.told }
    tried:set(key, scan)
  end
  -- No more is asked for than how many there are: the table cannot grow beyond that.
  if scan.told or scan[target] then return nil end
  scan[target] = true
  scan.count = scan.count + 1
  if scan.count < most then return nil end
  scan.told = true
  return scan.count
end

function on_event()
  local machine, port = (evt.field(address_of) or ""):match("^(.*):(%d+)$")
  -- Port 0 is no port: who connects a datagram socket so asks for the route.
  if not machine or port == "0" then return end
  local pid = evt.field(pid_of) or 0
  local ports = many(pid .. "\0" .. machine, port)
  if ports then
    scap.finding("port_scan", string.format("tries many ports of one machine (%d so far)", ports),
      { machine = machine })
  end
  local network = machine:match("^(%d+%.%d+%.%d+)%.%d+$") or machine:match("^(%x+:%x+:%x+:%x+):")
  local machines = network and many(pid .. "\0" .. network .. "\0" .. port, machine)
  if machines then
    scap.finding("port_scan", string.format("tries one port of many machines (%d so far)", machines),
      { network = network, port = port })
  end
end
