-- Paths, and who may change them without anybody being told.
local paths = {}

-- Package managers and what they run: an attacker who can install packages needs no other way.
paths.PACKAGES = "proc.aname in (dpkg, apt, apt-get, aptitude, unattended-upgr, rpm, dnf, dnf5, yum, zypper, pacman, " ..
  "apk, emerge, nix-daemon, snapd, flatpak, packagekitd)"

function paths.absolute(directory, path)
  if path:sub(1, 1) ~= "/" then path = (directory or "/") .. "/" .. path end
  return (path:gsub("/%./", "/"):gsub("//+", "/"))
end

-- How long something took, for reading.
function paths.ago(ns)
  if ns < 1e6 then return string.format("%d us", ns / 1e3) end
  if ns < 1e9 then return string.format("%d ms", ns / 1e6) end
  return string.format("%.1f s", ns / 1e9)
end

return paths
