description = "Reports the first connection of each program to an address."
short_description = "First contacts"
category = "Security"
args = {
  { name = "ports", argtype = "string", optional = true, description = "only these, such as 80,443" },
}

local recent = require "scap_recent"
local seen = recent.new(10000)

local program = chisel.request_field("proc.exepath")
local address = chisel.request_field("fd.rip")
local port = chisel.request_field("fd.rport")

function on_init()
  local filter = "evt.type=connect and (evt.failed=false or evt.res=EINPROGRESS) and fd.type in (ipv4, ipv6)"
  local ports = scap.arg("ports")
  if ports then filter = filter .. " and fd.rport in (" .. ports .. ")" end
  chisel.set_filter(filter)
  return true
end

function on_event()
  local who, to = evt.field(program), evt.field(address)
  if not who or not to or seen:get(who .. to) then return end
  seen:set(who .. to, true)
  scap.finding("first_contact", "connects to " .. to, { program = who, port = evt.field(port) })
end
