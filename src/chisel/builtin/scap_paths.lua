-- Paths, and the programs that change them as their regular work.
local paths = {}

-- A condition: a process with one of these names, or started by one.
function paths.by(names)
  return "(proc.name in (" .. names .. ") or proc.aname in (" .. names .. "))"
end

-- Package managers and the programs they run: an attacker who can install packages needs no other
-- method.
paths.PACKAGES = paths.by("dpkg, apt, apt-get, aptitude, unattended-upgr, rpm, dnf, dnf5, yum, zypper, pacman, " ..
  "apk, emerge, nix-daemon, snapd, flatpak, packagekitd")

function paths.absolute(directory, path)
  if path:sub(1, 1) ~= "/" then path = (directory or "/") .. "/" .. path end
  return (path:gsub("/%./", "/"):gsub("//+", "/"))
end

local INTERPRETERS = {
  sh = true, bash = true, dash = true, ash = true, zsh = true, ksh = true, perl = true, python = true, ruby = true,
  node = true, php = true, lua = true,
}

-- The script of an interpreter: its first argument.
function paths.script(program, directory, argument)
  local name = (program or ""):match("([%a]+)[%d.]*$")
  if name and INTERPRETERS[name] and argument and argument ~= "" and argument:sub(1, 1) ~= "-" then
    return paths.absolute(directory, argument)
  end
end

-- Formats a duration.
function paths.ago(ns)
  if ns < 1e6 then return string.format("%d us", ns / 1e3) end
  if ns < 1e9 then return string.format("%d ms", ns / 1e6) end
  return string.format("%.1f s", ns / 1e9)
end

return paths
