description = "Shells that are started with a function definition of the shellshock kind (CVE-2014-6271) in their " ..
  "environment."
short_description = "Shellshock attempts"
category = "Security"
args = {}

local environment = chisel.request_field("evt.arg.env")

function on_init()
  chisel.set_filter("evt.type in (execve, execveat) and evt.dir=< and evt.failed=false and " ..
    "proc.name in (sh, bash, dash, ksh, zsh) and evt.arg.env contains '() {'")
  return true
end

function on_event()
  -- Functions that bash exports itself have names that say so, in every version since the hole was mended.
  for name, definition in (evt.field(environment) or ""):gmatch("([%w_.%%()-]+)=(%(%) {.*)") do
    if not name:find("^BASH_FUNC_") then
      scap.finding("shellshock", "the environment of a shell defines a function", { variable = name,
        definition = definition:sub(1, 80) })
    end
  end
end
