description = "Connections to one destination at regular intervals: a program polls for commands. Reports programs " ..
  "that contact the same address and port at least this many times, with pauses of a second or more " ..
  "that differ little. Connections within the machine are ignored. Known false positives: monitoring " ..
  "agents, health checks, other programs that poll; exclude them with a filter."
short_description = "Regular connections"
category = "Security"
args = {
  { name = "times", argtype = "int", optional = true, description = "minimum number of contacts; default 8" },
  {
    name = "jitter",
    argtype = "string",
    optional = true,
    description = "maximum standard deviation of the pauses, as part of their mean; default 0.2",
  },
}

local recent = require "scap_recent"

-- Calls within this time belong to the same contact.
local PAUSE_NS = 1e9

-- Contacts by program and destination: count, start and end of the last one, mean and variance of
-- the pauses.
local contacts = recent.new(20000)

local fields = {}
for _, name in ipairs { "evt.type", "evt.arg.addr", "proc.name", "fd.rip", "fd.rport", "fd.l4proto" } do
  fields[name] = chisel.request_field(name)
end
local times, jitter

function on_init()
  times, jitter = tonumber(scap.arg("times", "8")), tonumber(scap.arg("jitter", "0.2"))
  if not times or not jitter then error("times and jitter have to be numbers", 0) end
  chisel.set_filter("evt.dir=< and fd.type in (ipv4, ipv6) and (evt.type=connect or (evt.is_io_write=true and " ..
    "evt.rawres>0 and fd.is_server=false)) and not fd.rip in (127.0.0.1, ::1)")
  return true
end

-- The remote end; for a failed connect only the call itself has it.
local function place()
  if evt.field(fields["evt.type"]) == "connect" then
    local address = evt.field(fields["evt.arg.addr"])
    if address and not address:find("^127%.") and not address:find("^::1:") then return address end
    return nil
  end
  local address, port = evt.field(fields["fd.rip"]), evt.field(fields["fd.rport"])
  return address and port and address .. ":" .. port
end

function on_event()
  local to = place()
  if not to then return end
  local program = evt.field(fields["proc.name"]) or "?"
  local key, now = program .. "\0" .. to, evt.rel_ns()
  local contact = contacts:get(key)
  if not contact then
    contacts:set(key, { count = 1, began = now, last = now, mean = 0, squares = 0 })
    return
  end
  local is_new = now - contact.last > PAUSE_NS
  contact.last = now
  if not is_new then return end
  -- Running mean and variance (Welford).
  local pause = now - contact.began
  contact.began = now
  contact.count = contact.count + 1
  local pauses = contact.count - 1
  local off = pause - contact.mean
  contact.mean = contact.mean + off / pauses
  contact.squares = contact.squares + off * (pause - contact.mean)
  if contact.count < times or contact.reported then return end
  local deviation = math.sqrt(contact.squares / pauses)
  if deviation <= jitter * contact.mean then
    contact.reported = true
    scap.finding("beaconing", string.format("gets in touch with the same place every %.1f s", contact.mean / 1e9), {
      to = to,
      times = contact.count,
      jitter = string.format("%.2f", deviation / contact.mean),
    })
  end
end
