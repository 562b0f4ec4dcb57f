description = "Lines that any program writes to log files; with a file name, the events around them are saved."
short_description = "Log lines of all programs"
category = "Logs"
args = {
  {
    name = "dump_file_name",
    argtype = "string",
    optional = true,
    description = "capture to write the events around each displayed one to",
  },
  {
    name = "dump_range_ms",
    argtype = "int",
    optional = true,
    description = "milliseconds before and after it; default 1000",
  },
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "accepted for sysdig; output is never coloured",
  },
}

local around = require "scap_around"

local name = chisel.request_field("proc.name")
local pid = chisel.request_field("proc.pid")
local file = chisel.request_field("fd.name")
local data = chisel.request_field("evt.buffer")
local container = require "scap_container"

function on_init()
  sysdig.set_output_format("ascii")
  chisel.set_filter("fd.type=file and evt.is_io_write=true and evt.rawres>0 and (fd.name contains .log or " ..
    "fd.name contains _log or fd.directory contains /log) and not fd.name contains .gz and not fd.name contains .tgz")
  return around.on_init()
end

function on_event()
  local where = ""
  if sysdig.is_print_container_data() then where = "[" .. scap.clean(container()) .. "] " end
  for line in (evt.field(data) or ""):gmatch("[^\n]+") do
    print(string.format("%s %s%s(%s) %s: %s", evt.iso(), where, scap.clean(evt.field(name) or "?"),
      evt.field(pid) or "?", scap.clean(evt.field(file)), scap.clean(line)))
  end
  around.mark()
end

on_capture_end = around.save
