description = "A process that tries many ports of one host, or one port of many hosts of a network (a /24, or a /64 " ..
  "of IPv6). Known false positives: monitoring that scrapes a whole network, peers of file sharing."
short_description = "Port and network scans"
category = "Security"
args = {
  { name = "targets", argtype = "int", optional = true, description = "number of targets to report; default 15" },
  { name = "seconds", argtype = "int", optional = true, description = "time window in seconds; default 60" },
}

local recent = require "scap_recent"

-- Ports by process and host, hosts by process, network and port.
local tried = recent.new(5000)

local address_of = chisel.request_field("evt.arg.addr")
local pid_of = chisel.request_field("proc.pid")
local most, within

function on_init()
  most, within = tonumber(scap.arg("targets", "15")), tonumber(scap.arg("seconds", "60"))
  if not most or not within then error("targets and seconds have to be numbers", 0) end
  -- In older captures only the enter event has the address.
  chisel.set_filter("evt.type=connect and fd.type in (ipv4, ipv6)")
  return true
end

-- Counts a target; returns true if the limit is reached.
local function many(key, target)
  local now, scan = evt.rel_ns(), tried:get(key)
  if not scan or now - scan.since > within * 1e9 then
    scan = { since = now, count = 0, reported = scan and scan.reported }
    tried:set(key, scan)
  end
  -- Only the number is needed: the table cannot grow beyond the limit.
  if scan.reported or scan[target] then return nil end
  scan[target] = true
  scan.count = scan.count + 1
  if scan.count < most then return nil end
  scan.reported = true
  return scan.count
end

function on_event()
  local machine, port = (evt.field(address_of) or ""):match("^(.*):(%d+)$")
  -- Port 0 is not a port: connecting a datagram socket to it asks for the route.
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
