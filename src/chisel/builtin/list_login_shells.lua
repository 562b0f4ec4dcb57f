description = "Login shells with the number of commands that were run below them, and the first command with its " ..
  "time. A login shell is the oldest ancestor whose name ends in sh."
short_description = "Login shells and their commands"
category = "Security"
args = {
  {
    name = "command",
    argtype = "string",
    optional = true,
    description = "only commands whose name contains this text; * for all",
  },
  {
    name = "arguments",
    argtype = "string",
    optional = true,
    description = "only commands whose arguments contain this text",
  },
}

-- Limit of the listed shells; further shells are only counted.
local MOST = 1000
local shells, count, left_out = {}, 0, 0

local shell_id = chisel.request_field("proc.loginshellid")
local exe = chisel.request_field("proc.exe")
local arguments = chisel.request_field("proc.args")
local user = chisel.request_field("user.name")
local container = require "scap_container"

function on_init()
  chisel.set_filter("evt.type in (execve, execveat) and evt.dir=< and evt.failed=false and proc.loginshellid>0")
  return true
end

function on_event()
  local name, rest = evt.field(exe) or "", evt.field(arguments) or ""
  local wanted = scap.arg("command", "*")
  if wanted ~= "*" and not name:find(wanted, 1, true) then return end
  if not rest:find(scap.arg("arguments", ""), 1, true) then return end
  local id = evt.field(shell_id)
  local shell = shells[id]
  if not shell then
    if count == MOST then
      left_out = left_out + 1
      return
    end
    count = count + 1
    shell = {
      id = id,
      time = evt.iso(),
      user = evt.field(user) or "?",
      container = container(),
      first = (name .. " " .. rest):gsub(" +$", ""),
      commands = 0,
    }
    shells[id] = shell
  end
  shell.commands = shell.commands + 1
end

function on_capture_end()
  local sorted = {}
  for _, shell in pairs(shells) do sorted[#sorted + 1] = shell end
  table.sort(sorted, function(a, b) return a.time < b.time end)
  print("SHELL    USER         COMMANDS  FIRST COMMAND")
  for _, shell in ipairs(sorted) do
    local where = sysdig.is_print_container_data() and " [" .. scap.clean(shell.container) .. "]" or ""
    print(string.format("%-8d %-12s %8d  %s %s%s", shell.id, scap.clean(shell.user), shell.commands,
      shell.time, scap.clean(shell.first), where))
  end
  if left_out > 0 then print(left_out .. " commands of further shells") end
end
