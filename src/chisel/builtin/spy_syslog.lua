description = "Messages that programs send to the system log, with facility and severity; with a file name, the " ..
  "events around them are saved."
short_description = "Messages to syslog"
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
local facility = chisel.request_field("syslog.facility.str")
local severity = chisel.request_field("syslog.severity.str")
local message = chisel.request_field("syslog.message")
local container = require "scap_container"

function on_init()
  chisel.set_filter("evt.is_syslog=true and evt.rawres>0")
  return around.on_init()
end

function on_event()
  local where = ""
  if sysdig.is_print_container_data() then where = "[" .. scap.clean(container()) .. "] " end
  print(string.format("%s %s%s(%s) %s.%s: %s", evt.iso(), where, scap.clean(evt.field(name) or "?"),
    evt.field(pid) or "?", evt.field(facility) or "?", evt.field(severity) or "?",
    scap.clean(evt.field(message) or "")))
  around.mark()
end

on_capture_end = around.save
