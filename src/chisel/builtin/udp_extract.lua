description = "Writes the payloads of datagrams to files, one for each flow, in the directory udp_dump_files inside " ..
  "of the directory for chisel output. A payload is as long as it was captured (see `scap record -s`)."
short_description = "Payloads of datagrams as files"
category = "Net"
args = {}

local DIRECTORY = "udp_dump_files"
-- Limit of the flows that are written.
local MOST = 1000
local files, count = {}, 0

local name = chisel.request_field("fd.name")
local data = chisel.request_field("evt.rawarg.data")

function on_init()
  chisel.set_filter("fd.l4proto=udp and evt.is_io=true and evt.rawres>0 and fd.name!=''")
  os.execute("mkdir " .. DIRECTORY)
  return true
end

function on_event()
  local flow, payload = evt.field(name), evt.field(data)
  if not flow or not payload then return end
  if not files[flow] then
    if count == MOST then return end
    count = count + 1
    local file, why = io.open(DIRECTORY .. "/" .. flow:gsub(":", "_"):gsub(">", "-"):gsub("[^%w_.-]", "_"), "wb")
    if not file then error(why, 0) end
    files[flow] = file
  end
  files[flow]:write(payload)
end

function on_capture_end()
  for flow, file in pairs(files) do
    file:close()
    print(scap.clean(flow))
  end
end
