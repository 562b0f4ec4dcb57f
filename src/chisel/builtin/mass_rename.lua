description = "A process that gives many files the same new ending, as what encrypts them for ransom does: renamed from " ..
  "NAME to NAME.x, or NAME.x written and NAME deleted. Endings of packers, editors and backups are left out. Sets it " ..
  "off wrongly: programs that convert many files and delete the originals."
short_description = "Many files get a new ending"
category = "Security"
args = {
  { name = "files", argtype = "int", optional = true, description = "how many files are many; 20 if nothing is said" },
  { name = "seconds", argtype = "int", optional = true, description = "within how many seconds; 60 if nothing is said" },
}

local recent = require "scap_recent"

local ORDINARY = {
  gz = true, bz2 = true, xz = true, zst = true, lz4 = true, lzma = true, Z = true, zip = true, old = true, bak = true,
  orig = true, save = true, tmp = true, temp = true, part = true, partial = true, new = true, swp = true, rej = true,
  ["dpkg-old"] = true, ["dpkg-new"] = true, ["dpkg-dist"] = true, ["dpkg-tmp"] = true, ["ucf-dist"] = true,
  rpmsave = true, rpmnew = true, pacsave = true, pacnew = true, o = true, d = true, pyc = true, json = true,
  lock = true, log = true, asc = true, sig = true,
}

-- Files that were made beside another one, with their ending, by the other one's path.
local beside = recent.new(50000)
-- How many files a process gave an ending, and since when.
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

-- The ending that the second path has beyond the first one.
local function ending(before, after)
  if #after <= #before + 1 or after:sub(1, #before) ~= before then return nil end
  local new = after:match("^%.([^/]+)$", #before + 1)
  -- Numbers are how logs are rotated.
  if not new or ORDINARY[new] or new:find("^[%d.-]+$") or new:find("~$") then return nil end
  return new
end

local function note(new, file)
  local pid, now = evt.field(fields["proc.pid"]), evt.rel_ns()
  local key = pid .. "\0" .. new
  local count = counts:get(key)
  if not count or now - count.since > within * 1e9 then
    count = { files = 0, since = now, told = count and count.told }
    counts:set(key, count)
  end
  count.files = count.files + 1
  if count.files >= most and not count.told then
    count.told = true
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
