description = "A process, or its children, that opens or looks for many kinds of keys and passwords within a " ..
  "minute: /etc/shadow, SSH keys, cloud credentials, tokens of Kubernetes, Docker and git, password " ..
  "stores, browser logins, environments of other processes. Known false positives: backups and searches " ..
  "through whole home directories."
short_description = "Searches for credentials"
category = "Security"
args = {
  {
    name = "kinds",
    argtype = "int",
    optional = true,
    description = "number of different kinds to report; default 4",
  },
}

local recent = require "scap_recent"

local WITHIN_NS = 60e9

-- Credentials by a pattern of the path.
local KINDS = {
  { "system passwords", "^/etc/g?shadow%-?$" },
  { "SSH keys", "/%.ssh/id_[%w_]+$" },
  { "SSH host keys", "^/etc/ssh/ssh_host_.*_key$" },
  { "AWS", "/%.aws/credentials$" },
  { "Google Cloud", "/gcloud/.*credentials" },
  { "Azure", "/%.azure/.*[Tt]oken" },
  { "Kubernetes", "/%.kube/config$" },
  { "Kubernetes", "/secrets/kubernetes%.io/serviceaccount/" },
  { "Kubernetes", "^/etc/kubernetes/.*%.conf$" },
  { "Docker", "/%.docker/config%.json$" },
  { "netrc", "/%.netrc$" },
  { "git", "/%.git%-credentials$" },
  { "GitHub", "/gh/hosts%.yml$" },
  { "npm", "/%.npmrc$" },
  { "PyPI", "/%.pypirc$" },
  { "Terraform", "/credentials%.tfrc%.json$" },
  { "Vault", "/%.vault%-token$" },
  { "PostgreSQL", "/%.pgpass$" },
  { "MySQL", "/%.my%.cnf$" },
  { "Kerberos", "%.keytab$" },
  { "Kerberos", "^/tmp/krb5cc_" },
  { "GnuPG", "/%.gnupg/.*secring" },
  { "GnuPG", "/%.gnupg/private%-keys" },
  { "keyrings", "/keyrings/.*%.keyring$" },
  { "KeePass", "%.kdbx$" },
  { "browsers", "/Login Data$" },
  { "browsers", "/logins%.json$" },
  { "shell history", "/%.[%w_]+_history$" },
  { "environments", "^/proc/%d+/environ$" },
  { "wallets", "/wallet%.dat$" },
}

-- The kinds seen so far, with times, by process.
local sweeps = recent.new(5000)

local name = chisel.request_field("evt.abspath")
local fd_name = chisel.request_field("fd.name")
local pid = chisel.request_field("proc.pid")
local ppid = chisel.request_field("proc.ppid")
local most

function on_init()
  most = tonumber(scap.arg("kinds", "4"))
  if not most then error("kinds has to be a number", 0) end
  -- Missing files count too: a sweep does not know which files exist.
  chisel.set_filter("evt.type in (open, openat, openat2) and evt.dir=< and evt.is_open_write=false and not proc.name in (sshd, sshd-session)")
  return true
end

local function kind_of(path)
  for _, kind in ipairs(KINDS) do
    if path:find(kind[2]) then return kind[1] end
  end
end

local function note(process, kind, now)
  if not process or process <= 1 then return end
  local sweep = sweeps:get(process)
  if not sweep then
    sweep = { seen = {}, reported = false }
    sweeps:set(process, sweep)
  end
  sweep.seen[kind] = now
  local kinds = {}
  for seen, at in pairs(sweep.seen) do
    if now - at <= WITHIN_NS then kinds[#kinds + 1] = seen end
  end
  if #kinds < most then return end
  table.sort(kinds)
  local first = not sweep.reported
  sweep.reported = true
  return first and table.concat(kinds, ", ") or nil
end

function on_event()
  local path = evt.field(name) or evt.field(fd_name)
  local kind = path and kind_of(path)
  if not kind then return end
  local now, own, parent = evt.rel_ns(), evt.field(pid), evt.field(ppid)
  local mine, parents = note(own, kind, now), note(parent, kind, now)
  if mine then
    scap.finding("credential_sweep", "one process looks for many kinds of credentials", { kinds = mine })
    -- The same finding, seen from the parent, is not repeated.
    local above = sweeps:get(parent)
    if above then above.reported = true end
  elseif parents then
    scap.finding("credential_sweep", "the children of one process look for many kinds of credentials",
      { kinds = parents, parent = parent })
  end
end
