description = "How long system calls take: a histogram in powers of two. With a filter those of a process, a file " ..
  "or a connection. Unlike sysdig's it does not need a terminal."
short_description = "Histogram of the calls' latencies"
category = "Performance"
args = {
  {
    name = "refresh_time",
    argtype = "int",
    optional = true,
    description = "for command lines written for sysdig: there is one histogram, at the end",
  },
}

function on_init()
  scap.histogram { of = "evt.latency", where = "syscall.type exists and evt.latency>0", unit = "time" }
  return true
end
