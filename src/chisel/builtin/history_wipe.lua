description = "Removal of traces: shell histories that are deleted, emptied or linked to /dev/null, shells whose " ..
  "history is disabled, logs and login records that are deleted or emptied by other programs than those " ..
  "that maintain them. The tile `histories or logs wiped` of `scap view` counts single calls only, of all " ..
  "programs. Known false positives: bash before 4.4, which empties its history before it " ..
  "rewrites it; images and tests that clean up."
short_description = "Wiped histories and logs"
category = "Security"
args = {}

local recent = require "scap_recent"
local paths = require "scap_paths"

local reported = recent.new(10000)

-- Files that are about to replace a history and are still empty.
local empty = recent.new(1000)
-- Links to /dev/null.
local links = recent.new(1000)

local fields = {}
for _, name in ipairs {
  "evt.type", "evt.arg.flags", "evt.arg.target", "evt.arg.fd", "evt.arg.length", "evt.rawres", "fd.name", "fs.path.name",
  "fs.path.source", "fs.path.target", "proc.pid", "proc.exeline", "proc.env[HISTFILE]", "proc.env[HISTSIZE]",
  "proc.env[HISTFILESIZE]", "evt.is_io_write",
  "evt.is_open_create",
} do
  fields[name] = chisel.request_field(name)
end

function on_init()
  local keepers = paths.by("logrotate, systemd-journal, systemd-tmpfile, rsyslogd, syslog-ng, auditd, savelog, newsyslog")
  chisel.set_filter("evt.dir=< and evt.failed=false and (evt.type in (execve, execveat) or " ..
    "(evt.is_io_write=true and fd.name contains _history-) or (not " .. keepers .. " and " ..
    "(evt.type in (open, openat, openat2, creat, unlink, unlinkat, rename, renameat, renameat2, symlink, symlinkat, " ..
    "truncate, ftruncate))))")
  return true
end

local function value(name)
  return evt.field(fields[name])
end

local function kind_of(path)
  if not path then return nil end
  if path:find("/%.[%w_]*_?history$") or path:find("/%.histfile$") or path:find("/fish_history$") then
    return "a shell's history"
  end
  if path:find("^/var/log/wtmp") or path:find("^/var/log/btmp") or path:find("^/var/log/lastlog") or
      path:find("^/run/utmp") or path:find("^/var/run/utmp") then
    return "the record of logins"
  end
  if path:find("^/var/log/audit/") or path:find("^/var/log/journal/") or path:find("^/var/log/auth%.log$") or
      path:find("^/var/log/secure$") or path:find("^/var/log/messages$") or path:find("^/var/log/syslog$") or
      path:find("^/var/log/kern%.log$") or path:find("^/var/log/cron$") then
    return "a log"
  end
end

local function check(path, how)
  local kind = kind_of(path)
  if not kind then return end
  local key = path .. "\0" .. value("proc.pid")
  if reported:get(key) then return end
  reported:set(key, true)
  scap.finding("history_wipe", kind .. " " .. how, { file = path, command = value("proc.exeline") })
end

local function on_exec()
  local how
  if value("proc.env[HISTFILE]") == "/dev/null" then how = "HISTFILE=/dev/null" end
  if value("proc.env[HISTSIZE]") == "0" then how = "HISTSIZE=0" end
  if value("proc.env[HISTFILESIZE]") == "0" then how = "HISTFILESIZE=0" end
  -- The variable is inherited by all commands of a shell.
  if how and not reported:get(how) then
    reported:set(how, true)
    scap.finding("history_wipe", "shells are told to keep no history",
      { variable = how, command = value("proc.exeline") })
  end
end

function on_event()
  local ty = value("evt.type")
  if ty == "execve" or ty == "execveat" then
    on_exec()
  elseif value("evt.is_io_write") then
    empty:take(value("fd.name"))
  elseif ty:find("^unlink") then
    local path = value("fs.path.name")
    if path and not path:find("/0+$") then check(path, "is deleted") end
  elseif ty:find("^rename") then
    local from, to = value("fs.path.source"), value("fs.path.target")
    if from and empty:take(from) then
      check(to, "is replaced by an empty one")
    elseif from and links:take(from) then
      -- `ln -f` creates the link under another name first.
      check(to, "becomes a link to /dev/null")
    elseif from and to and to:find("/0+$") then
      -- shred renames a file to shorter and shorter names of one digit.
      if not from:find("/0+$") then check(from, "is shredded") end
    elseif from and kind_of(from) and not (to and (kind_of(to) or to:find("^/var/log/"))) then
      check(from, "is moved away")
    end
  elseif ty:find("^symlink") then
    local link = value("fs.path.source")
    if link and value("evt.arg.target") == "/dev/null" then
      links:set(link, true)
      check(link, "becomes a link to /dev/null")
    end
  elseif ty == "truncate" then
    if value("evt.arg.length") == "0" then check(value("fs.path.name"), "is emptied") end
  elseif ty == "ftruncate" then
    -- The event has no fd of its own; its argument contains the name: 3(<f>/PATH).
    if value("evt.arg.length") == "0" then check((value("evt.arg.fd") or ""):match("<f>(.*)%)$"), "is emptied") end
  else
    local path, flags = value("fd.name"), value("evt.arg.flags") or ""
    if path and flags:find("O_TRUNC", 1, true) then
      -- Shells write the new history next to the old one.
      if path:find("_history%-[%w.]+$") then empty:set(path, true) end
      -- bash creates a missing history like this.
      if not value("evt.is_open_create") then check(path, "is emptied") end
    end
  end
end
