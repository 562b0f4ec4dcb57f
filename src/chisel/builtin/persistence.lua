description = "Changes to files that make a machine run something later: cron, at, systemd units, rc.local and init " ..
  "scripts, ld.so.preload, start files of shells, authorized_keys, sudoers, passwd, PAM, udev rules, " ..
  "autostart entries, modules to load: the tile `persistence` of `scap view`, without package managers and " ..
  "programs that create accounts. " ..
  "Known false positives: administrators and configuration management, whose changes are the same as an " ..
  "attacker's."
short_description = "Changes to autostart files"
category = "Security"
args = {}

local recent = require "scap_recent"
local paths = require "scap_paths"

-- Autostart files by a pattern of the path; more specific ones first.
local PLACES = {
  { "authorized_keys", "/%.ssh/authorized_keys2?$" },
  { "SSH start file", "/%.ssh/rc$" },
  { "ld.so.preload", "^/etc/ld%.so%.preload$" },
  { "ld.so.conf", "^/etc/ld%.so%.conf" },
  { "cron", "^/etc/cron" },
  { "cron", "^/etc/anacrontab$" },
  { "cron", "^/var/spool/cron/" },
  { "at", "^/var/spool/at/" },
  { "systemd", "^/etc/systemd/" },
  { "systemd", "^/usr/lib/systemd/" },
  { "systemd", "^/lib/systemd/" },
  { "systemd", "^/usr/local/lib/systemd/" },
  { "systemd", "/%.config/systemd/user/" },
  { "init script", "^/etc/rc%.local$" },
  { "init script", "^/etc/init%.d/" },
  { "init script", "^/etc/rc%d%.d/" },
  { "message of the day", "^/etc/update%-motd%.d/" },
  { "shell start file", "^/etc/profile$" },
  { "shell start file", "^/etc/profile%.d/" },
  { "shell start file", "^/etc/bash%.bashrc$" },
  { "shell start file", "^/etc/bashrc$" },
  { "shell start file", "^/etc/zsh/" },
  { "shell start file", "^/etc/environment$" },
  { "shell start file", "/%.bashrc$" },
  { "shell start file", "/%.bash_profile$" },
  { "shell start file", "/%.bash_login$" },
  { "shell start file", "/%.bash_logout$" },
  { "shell start file", "/%.profile$" },
  { "shell start file", "/%.zshrc$" },
  { "shell start file", "/%.zprofile$" },
  { "shell start file", "/%.zshenv$" },
  { "sudoers", "^/etc/sudoers" },
  { "accounts", "^/etc/passwd$" },
  { "accounts", "^/etc/shadow$" },
  { "PAM", "^/etc/pam%.d/" },
  { "PAM", "/security/pam_[%w_]+%.so$" },
  { "udev rule", "^/etc/udev/rules%.d/" },
  { "kernel module", "^/etc/modules" },
  { "kernel module", "^/lib/modules/.*%.ko" },
  { "autostart", "/autostart/.*%.desktop$" },
}

-- Programs that maintain these files; programs that create accounts copy start files to a new home
-- directory.
local WORKERS = paths.by("useradd, adduser, userdel, deluser, usermod, groupadd, groupmod, groupdel, passwd, " ..
  "chpasswd, chage, systemd-sysuser, newusers, systemd-tmpfile, logrotate")

local reported = recent.new(10000)

local fields = {}
for _, name in ipairs {
  "evt.type", "fd.name", "fs.path.name", "fs.path.source", "fs.path.target", "proc.pid", "proc.exeline",
} do
  fields[name] = chisel.request_field(name)
end

function on_init()
  -- What counts is the tile of `scap view`; the places below only give it a name.
  chisel.set_filter("(" .. scap.tile("persistence") .. ") and not " .. paths.PACKAGES .. " and not " .. WORKERS .. " and not proc.exepath in (/lib/systemd/systemd, /usr/lib/systemd/systemd)")
  return true
end

local function name_of(path)
  for _, place in ipairs(PLACES) do
    if path:find(place[2]) then return place[1] end
  end
  return "autostart"
end

local function check(path, how)
  if not path then return end
  local key = path .. "\0" .. evt.field(fields["proc.pid"])
  if reported:get(key) then return end
  reported:set(key, true)
  scap.finding("persistence", name_of(path) .. ": " .. how,
    { file = path, command = evt.field(fields["proc.exeline"]) })
end

function on_event()
  local ty = evt.field(fields["evt.type"])
  if ty:find("link") then
    -- The link itself; its target does not change.
    check(evt.field(fields["fs.path.source"]), "a link is made")
  elseif ty:find("^rename") then
    check(evt.field(fields["fs.path.target"]), "a file is put there")
  elseif ty == "truncate" then
    check(evt.field(fields["fs.path.name"]), "a file is emptied")
  else
    check(evt.field(fields["fd.name"]), "a file is opened to be written")
  end
end
