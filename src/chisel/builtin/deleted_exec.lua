description = "Programs that are executed although their file was deleted, and programs and scripts that are " ..
  "deleted while they run, by themselves or by their descendants. Known false positives: installers " ..
  "that clean up after themselves, self-extracting archives."
short_description = "Deleted programs that run"
category = "Security"
args = {}

local recent = require "scap_recent"
local paths = require "scap_paths"

-- Deleted paths; running paths with their process.
local deleted = recent.new(20000)
local running = recent.new(10000)

local fields = {}
for _, name in ipairs {
  "evt.type", "evt.failed", "proc.pid", "proc.exepath", "proc.cwd", "proc.args[0]", "proc.exeline", "fs.path.name",
  "fs.path.source", "fs.path.target", "fd.name", "thread.ismain",
} do
  fields[name] = chisel.request_field(name)
end

local ANCESTORS = 6
local ancestors = {}

function on_init()
  for step = 0, ANCESTORS do ancestors[step] = chisel.request_field("proc.apid[" .. step .. "]") end
  chisel.set_filter("evt.type=procexit or (evt.dir=< and evt.failed=false and (evt.is_open_create=true or " ..
    "evt.type in (execve, execveat, unlink, unlinkat, rename, renameat, renameat2, link, linkat)))")
  return true
end

local function on_exec()
  local pid, path = evt.field(fields["proc.pid"]), evt.field(fields["proc.exepath"]) or ""
  if path:find(" %(deleted%)$") or deleted:get(path) then
    scap.finding("deleted_exec", "a program is run whose file is deleted",
      { file = path, command = evt.field(fields["proc.exeline"]) })
  end
  local own = {
    path,
    paths.script(path, evt.field(fields["proc.cwd"]), evt.field(fields["proc.args[0]"])),
  }
  for _, file in ipairs(own) do running:set(file, pid) end
  running:set(pid, own)
end

local function on_unlink(path)
  deleted:set(path, true)
  local pid = running:get(path)
  if not pid then return end
  -- Package managers replace running programs and are excluded by name; a program deletes itself in
  -- its own process or a descendant.
  for step = 0, ANCESTORS do
    if evt.field(ancestors[step]) == pid then
      running:take(path)
      scap.finding("deleted_exec", "a program deletes its own file while it runs", { file = path, pid = pid })
      return
    end
  end
end

function on_event()
  local ty = evt.field(fields["evt.type"])
  if ty == "procexit" then
    if evt.field(fields["thread.ismain"]) then
      for _, file in ipairs(running:take(evt.field(fields["proc.pid"])) or {}) do running:take(file) end
    end
  elseif ty == "execve" or ty == "execveat" then
    on_exec()
  elseif ty:find("^unlink") then
    local path = evt.field(fields["fs.path.name"])
    if path then on_unlink(path) end
  else
    -- The path exists again.
    local path = evt.field(fields[ty:find("^link") and "fs.path.source" or "fs.path.target"]) or
      evt.field(fields["fd.name"])
    if path then deleted:take(path) end
  end
end
