description = "What a process in a container does to get out of it, whether it succeeds or not: mounts, other namespaces, " ..
  "the host's processes and files through /proc/1, the runtime's sockets, the host's disks and memory, the files by " ..
  "which the kernel is told to run something, kernel modules, file handles, a debugger's hold on others, writing to " ..
  "the runtime's own program. The runtime itself, which works inside before the container begins, is left out by its " ..
  "name. Sets it off wrongly: containers that build or run others, and privileged ones that look after the host."
short_description = "Marks of escapes from containers"
category = "Security"
args = {}

local recent = require "scap_recent"

local told = recent.new(10000)

local fields = {}
for _, name in ipairs {
  "evt.type", "evt.abspath", "fd.name", "evt.arg.dir", "evt.arg.dev", "evt.arg.type", "evt.arg.flags", "evt.arg.addr",
  "evt.arg.request", "evt.is_open_write", "proc.pid", "proc.cwd", "proc.cmdline", "evt.res", "evt.rawarg.mode",
  "evt.arg.path",
} do
  fields[name] = chisel.request_field(name)
end

-- Files by a pattern for the path; those of the second kind only if they are written.
local FILES = {
  { "the first process's files and namespaces", "^/proc/1/root" },
  { "the first process's files and namespaces", "^/proc/1/cwd" },
  { "the first process's files and namespaces", "^/proc/1/ns/" },
  { "a disk of the host", "^/dev/[shv]d%a%d*$" },
  { "a disk of the host", "^/dev/nvme%d" },
  { "a disk of the host", "^/dev/dm%-%d" },
  { "memory of the host", "^/dev/k?mem$" },
  { "memory of the host", "^/proc/kcore$" },
}
local WRITTEN = {
  { "a file that makes the kernel run a program", "^/proc/sys/kernel/core_pattern$" },
  { "a file that makes the kernel run a program", "^/proc/sys/kernel/modprobe$" },
  { "a file that makes the kernel run a program", "/release_agent$" },
  { "a file that makes the kernel run a program", "^/sys/kernel/uevent_helper$" },
  { "a file that makes the kernel run a program", "^/proc/sys/fs/binfmt_misc/" },
  { "a file that restarts or crashes the machine", "^/proc/sysrq%-trigger$" },
  { "another process's program", "^/proc/%d+/exe$" },
  { "the container runtime's program", "/docker%-runc$" },
  { "the container runtime's program", "/bin/runc$" },
}
-- What a file is, in its mode.
local S_IFMT, S_IFBLK = 0xf000, 0x6000
local SOCKETS = { "/docker%.sock$", "/containerd%.sock$", "/crio%.sock$", "/podman%.sock$", "/kubelet%.sock$" }

function on_init()
  chisel.set_filter("evt.dir=< and container.id exists and not container.id in (host, '') and " ..
    "not (proc.name startswith runc or proc.name startswith crun or proc.name in (conmon, containerd-shim, exe, tini, " ..
    "docker-init)) and (evt.type in (mount, umount, umount2, pivot_root, setns, unshare, init_module, finit_module, " ..
    "open_by_handle_at, ptrace, process_vm_writev, mknod, mknodat, connect, move_mount, fsmount, open_tree) or " ..
    "evt.type in (open, openat, openat2, creat) or (evt.type in (execve, execveat) and proc.cwd startswith /proc/))")
  return true
end

local function value(name)
  return evt.field(fields[name])
end

local function tell(what, facts)
  local key = string.format("%s\0%s\0%s", value("proc.pid"), what, facts.file or "")
  if told:get(key) then return end
  told:set(key, true)
  facts.result, facts.command = value("evt.res"), value("proc.cmdline")
  scap.finding("container_escape", what, facts)
end

local function match(list, path)
  for _, file in ipairs(list) do
    if path:find(file[2]) then return file[1] end
  end
end

local CALLS = {
  pivot_root = "changes its root", init_module = "loads a kernel module", finit_module = "loads a kernel module",
  open_by_handle_at = "opens a file by its handle", process_vm_writev = "writes into another process",
  move_mount = "mounts", fsmount = "mounts", open_tree = "mounts", umount = "unmounts", umount2 = "unmounts",
}

function on_event()
  local ty = value("evt.type")
  if ty == "mount" then
    tell("mounts", { file = value("evt.arg.dir"), what = value("evt.arg.dev"), ["type"] = value("evt.arg.type") })
  elseif ty == "setns" then
    tell("enters another namespace", {})
  elseif ty == "unshare" then
    if (value("evt.arg.flags") or ""):find("CLONE_NEW[UP]") then
      tell("makes a namespace in which it has all rights", { flags = value("evt.arg.flags") })
    end
  elseif ty == "ptrace" then
    local request = value("evt.arg.request") or ""
    if request:find("ATTACH") or request:find("SEIZE") then tell("takes hold of another process", {}) end
  elseif ty == "connect" then
    local path = value("evt.arg.addr") or value("fd.name") or ""
    for _, socket in ipairs(SOCKETS) do
      if path:find(socket) then tell("talks to the container runtime", { file = path }) end
    end
  elseif ty == "mknod" or ty == "mknodat" then
    -- Of disks only: files, pipes and terminals are made so, too.
    if bit.band(value("evt.rawarg.mode") or 0, S_IFMT) == S_IFBLK then
      tell("makes a disk's file", { file = value("evt.arg.path") })
    end
  elseif ty == "execve" or ty == "execveat" then
    if (value("proc.cwd") or ""):find("^/proc/[%w-]+/fd/") then
      tell("works in a directory that the runtime left open", { file = value("proc.cwd") })
    end
  elseif CALLS[ty] then
    tell(CALLS[ty], {})
  else
    local path = value("evt.abspath") or value("fd.name") or ""
    local what = match(FILES, path)
    if not what and value("evt.is_open_write") then what = match(WRITTEN, path) end
    if what then tell("opens " .. what, { file = path }) end
  end
end
