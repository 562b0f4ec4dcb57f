description = "Latency of system calls: a histogram in powers of two. Use a filter for the calls of a process, a " ..
  "file or a connection. Unlike sysdig's it does not need a terminal."
short_description = "Histogram of call latencies"
category = "Performance"
args = {
  {
    name = "refresh_time",
    argtype = "int",
    optional = true,
    description = "accepted for sysdig; there is one histogram, at the end",
  },
}

function on_init()
  scap.histogram { of = "evt.latency", where = "syscall.type exists and evt.latency>0", unit = "time" }
  return true
end
