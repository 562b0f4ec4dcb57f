description = "A process that gives many files the same new extension, like ransomware: renamed from NAME to " ..
  "NAME.x, or NAME.x written and NAME deleted. Extensions of packers, editors and backups are excluded. " ..
  "Known false positives: programs that convert many files and delete the originals."
short_description = "Many files get a new extension"
category = "Security"
args = {
  { name = "files", argtype = "int", optional = true, description = "number of files to report; default 20" },
  { name = "seconds", argtype = "int", optional = true, description = "time window in seconds; default 60" },
}

local recent = require "scap_recent"

local ORDINARY = {
  gz = true, bz2 = true, xz = true, zst = true, lz4 = true, lzma = true, Z = true, zip = true, old = true, bak = true,
  orig = true, save = true, tmp = true, temp = true, part = true, partial = true, new = true, swp = true, rej = true,
  ["dpkg-old"] = true, ["dpkg-new"] = true, ["dpkg-dist"] = true, ["dpkg-tmp"] = true, ["ucf-dist"] = true,
  rpmsave = true, rpmnew = true, pacsave = true, pacnew = true, o = true, d = true, pyc = true, json = true,
  lock = true, log = true, asc = true, sig = true,
}

-- Files created next to another one, with their extension, by the path of the other one.
local beside = recent.new(50000)
-- The number of files to which a process gave an extension, and the time of the first.
local counts = recent.new(5000)

local fields = {}
for _, name in ipairs { "evt.type", "fd.name", "fs.path.name", "fs.path.source", "fs.path.target", "proc.pid" } do
  fields[name] = chisel.request_field(name)
end
local most, within

function on_init()
  most, within = tonumber(scap.arg("files", "20")), tonumber(scap.arg("seconds", "60"))
  if not most or not within then error("files and seconds have to be numbers", 0) end
  chisel.set_filter("evt.dir=< and evt.failed=false and (evt.is_open_create=true or " ..
    "evt.type in (rename, renameat, renameat2, unlink, unlinkat))")
  return true
end

-- Returns the extension of the second path after the first one.
local function ending(before, after)
  if #after <= #before + 1 or after:sub(1, #before) ~= before then return nil end
  local new = after:match("^%.([^/]+)$", #before + 1)
  -- Numbers are extensions of rotated logs.
  if not new or ORDINARY[new] or new:find("^[%d.-]+$") or new:find("~$") then return nil end
  return new
end

local function note(new, file)
  local pid, now = evt.field(fields["proc.pid"]), evt.rel_ns()
  local key = pid .. "\0" .. new
  local count = counts:get(key)
  if not count or now - count.since > within * 1e9 then
    count = { files = 0, since = now, reported = count and count.reported }
    counts:set(key, count)
  end
  count.files = count.files + 1
  if count.files >= most and not count.reported then
    count.reported = true
    scap.finding("mass_rename", string.format("%d files have got the ending .%s", count.files, new), { last = file })
  end
end

function on_event()
  local ty = evt.field(fields["evt.type"])
  if ty:find("^rename") then
    local before, after = evt.field(fields["fs.path.source"]), evt.field(fields["fs.path.target"])
    local new = before and after and ending(before, after)
    if new then note(new, after) end
  elseif ty:find("^unlink") then
    local gone = evt.field(fields["fs.path.name"])
    local new = gone and beside:take(gone)
    if new then note(new, gone) end
  else
    local made = evt.field(fields["fd.name"])
    local before = made and made:match("^(.*/[^/]+)%.[^./]+$")
    local new = before and ending(before, made)
    if new then beside:set(before, new) end
  end
end
