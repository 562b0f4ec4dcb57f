description = "Activity of users: commands below a login shell, and changes of directory, indented by their depth " ..
  "below the shell."
short_description = "Commands of users"
category = "Security"
args = {
  {
    name = "max_depth",
    argtype = "int",
    optional = true,
    description = "maximum depth below the shell; 0 is the command that was entered",
  },
  {
    name = "disable_color",
    argtype = "string",
    optional = true,
    description = "accepted for sysdig; output is never coloured",
  },
}

local MAX_DEPTH = 32

local shell_id = chisel.request_field("proc.loginshellid")
local ty = chisel.request_field("evt.type")
local path = chisel.request_field("evt.arg.path")
local command = chisel.request_field("proc.exeline")
local user = chisel.request_field("user.name")
local container = require "scap_container"
local ancestors = {}

function on_init()
  -- sysdig accepts a text here, too.
  local depth = scap.arg("max_depth")
  if depth and depth ~= "disable_color" and not tonumber(depth) then error("max_depth has to be a number", 0) end
  chisel.set_filter("evt.dir=< and evt.failed=false and proc.loginshellid>0 and (evt.type in (execve, execveat) " ..
    "or (evt.type=chdir and proc.name endswith sh))")
  for step = 0, MAX_DEPTH do ancestors[step] = chisel.request_field("proc.apid[" .. step .. "]") end
  return true
end

-- Returns the number of processes between this one and its login shell.
local function depth_below(shell)
  for step = 0, MAX_DEPTH do
    local pid = evt.field(ancestors[step])
    if pid == shell then return step end
    if not pid then break end
  end
  return 0
end

function on_event()
  local shell = evt.field(shell_id)
  local depth = math.max(depth_below(shell) - 1, 0)
  local most = tonumber(scap.arg("max_depth", ""))
  if most and depth > most then return end
  local done = evt.field(command) or "?"
  if evt.field(ty) == "chdir" then done = "cd " .. (evt.field(path) or "?") end
  local who = evt.field(user) or "?"
  if sysdig.is_print_container_data() then who = who .. "@" .. container() end
  print(string.format("%s %s%d %s) %s", evt.iso(), ("    "):rep(depth), shell, scap.clean(who), scap.clean(done)))
end
