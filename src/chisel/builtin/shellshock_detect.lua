description = "Shells that are started with a shellshock function definition (CVE-2014-6271) in their environment."
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
  -- Functions exported by bash itself have special variable names, in every version since the fix.
  for name, definition in (evt.field(environment) or ""):gmatch("([%w_.%%()-]+)=(%(%) {.*)") do
    if not name:find("^BASH_FUNC_") then
      scap.finding("shellshock", "the environment of a shell defines a function", { variable = name,
        definition = definition:sub(1, 80) })
    end
  end
end
