description = "Programs and scripts that were written before they were executed, within the capture: under the name " ..
  "they were written as, another name they were renamed to, or as the first argument of a shell or an " ..
  "interpreter. Files written by package managers and linkers are excluded, and files in directories " ..
  "where only packages are installed, unless the argument `all` is given. Known false positives: " ..
  "scripts that write scripts (configure, CI jobs), updaters of programs that are not packages."
short_description = "Files written, then executed"
category = "Security"
args = {
  { name = "all", argtype = "string", optional = true, description = "`all` includes compilers, packages and installed programs" },
}

local recent = require "scap_recent"
local paths = require "scap_paths"

-- Written files: writer and time, by path.
local written = recent.new(20000)
local reported = recent.new(10000)

local fields = {}
for _, name in ipairs {
  "evt.type", "fd.name", "proc.name", "proc.pid", "proc.exepath", "proc.cwd", "proc.args[0]",
  "fs.path.source", "fs.path.target",
} do
  fields[name] = chisel.request_field(name)
end

local INSTALLED = { "^/usr/", "^/bin/", "^/sbin/", "^/lib", "^/opt/", "^/var/lib/", "^/nix/", "^/snap/" }

function on_init()
  local writer = "evt.is_open_write=true and fd.type=file"
  if scap.arg("all") ~= "all" then
    writer = writer .. " and not " .. paths.PACKAGES .. " and not proc.name in (ld, ld.bfd, ld.gold, ld.lld, rust-lld, mold, " ..
      "lld, collect2, as, cc1, cc1plus, rustc, cargo, link, go, compile, javac, tcc, cmake, configure, config.status, " ..
      "git, make, ninja)"
  end
  chisel.set_filter("evt.dir=< and evt.failed=false and ((" .. writer .. ") or " ..
    "evt.type in (rename, renameat, renameat2, link, linkat, execve, execveat))")
  return true
end

local function is_installed(path)
  if scap.arg("all") == "all" or path:find("^/usr/local/") then return false end
  for _, pattern in ipairs(INSTALLED) do
    if path:find(pattern) then return true end
  end
  return false
end

local function ran(path)
  local by = path and written:get(path)
  if not by or is_installed(path) or reported:get(path .. by.time) then return false end
  reported:set(path .. by.time, true)
  scap.finding("write_then_exec", "runs a file that was written " .. paths.ago(evt.rel_ns() - by.at) .. " before",
    { file = path, ["written by"] = by.who, ["written at"] = by.time })
  return true
end

local function on_exec()
  if ran(evt.field(fields["proc.exepath"])) then return end
  ran(paths.script(evt.field(fields["proc.exepath"]), evt.field(fields["proc.cwd"]),
    evt.field(fields["proc.args[0]"])))
end

function on_event()
  local ty = evt.field(fields["evt.type"])
  if ty == "execve" or ty == "execveat" then
    on_exec()
  elseif ty:find("^rename") or ty:find("^link") then
    local from, to = evt.field(fields["fs.path.source"]), evt.field(fields["fs.path.target"])
    -- The source of a link is the new name.
    if ty:find("^link") then from, to = to, from end
    local by = from and written:get(from)
    if by and to then written:set(to, by) end
  else
    local path = evt.field(fields["fd.name"])
    if path then
      local who = string.format("%s(%s)", evt.field(fields["proc.name"]) or "?", evt.field(fields["proc.pid"]) or "?")
      written:set(path, { who = who, at = evt.rel_ns(), time = evt.iso() })
    end
  end
end
