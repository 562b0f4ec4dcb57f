-- Shared by the chisels that count bytes per second. Seconds without bytes have no line; the last
-- second, which is incomplete, has one.
local each = {}

local moved = chisel.request_field("evt.rawres")
local is_read = chisel.request_field("evt.is_io_read")
-- The current second: its time, bytes in and out.
local time, bytes_in, bytes_out

function each.on_init(filter)
  chisel.set_filter(filter .. "evt.is_io=true and evt.rawres>0")
  chisel.set_interval_s(1)
  return true
end

function each.on_event()
  if not time then time, bytes_in, bytes_out = evt.iso():sub(1, 19), 0, 0 end
  if evt.field(is_read) then
    bytes_in = bytes_in + evt.field(moved)
  else
    bytes_out = bytes_out + evt.field(moved)
  end
end

-- Ends the current second.
function each.on_interval()
  if time then
    print(string.format("%s in:%d out:%d tot:%d", time, bytes_in, bytes_out, bytes_in + bytes_out))
    time = nil
  end
  return true
end

return each
