description = "Actions of processes in containers that serve to escape, successful or not: mounts, other " ..
  "namespaces, the host's processes and files through /proc/1, the runtime's sockets, the host's disks " ..
  "and memory, files that make the kernel run a program, kernel modules, file handles, debugging of " ..
  "other processes, writing to the runtime's own program. The runtime itself, which works inside of the " ..
  "container before it starts, is excluded by name. Known false positives: containers that build or run " ..
  "others, and privileged containers that manage the host."
short_description = "Container escape attempts"
category = "Security"
args = {}

local recent = require "scap_recent"

local reported = recent.new(10000)

local fields = {}
for _, name in ipairs {
  "evt.type", "evt.abspath", "fd.name", "evt.arg.dir", "evt.arg.dev", "evt.arg.type", "evt.arg.flags", "evt.arg.addr",
  "evt.arg.request", "evt.is_open_write", "proc.pid", "proc.cwd", "proc.exeline", "evt.res", "evt.rawarg.mode",
  "evt.arg.path",
} do
  fields[name] = chisel.request_field(name)
end

-- Files by a pattern of the path; files of the second kind count only if they are written.
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
-- File types in a mode.
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

local function report(what, facts)
  local key = string.format("%s\0%s\0%s", value("proc.pid"), what, facts.file or "")
  if reported:get(key) then return end
  reported:set(key, true)
  facts.result, facts.command = value("evt.res"), value("proc.exeline")
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
    report("mounts", { file = value("evt.arg.dir"), what = value("evt.arg.dev"), ["type"] = value("evt.arg.type") })
  elseif ty == "setns" then
    report("enters another namespace", {})
  elseif ty == "unshare" then
    if (value("evt.arg.flags") or ""):find("CLONE_NEW[UP]") then
      report("makes a namespace in which it has all rights", { flags = value("evt.arg.flags") })
    end
  elseif ty == "ptrace" then
    local request = value("evt.arg.request") or ""
    if request:find("ATTACH") or request:find("SEIZE") then report("takes hold of another process", {}) end
  elseif ty == "connect" then
    local path = value("evt.arg.addr") or value("fd.name") or ""
    for _, socket in ipairs(SOCKETS) do
      if path:find(socket) then report("talks to the container runtime", { file = path }) end
    end
  elseif ty == "mknod" or ty == "mknodat" then
    -- Only disks: mknod also creates files, pipes and terminals.
    if bit.band(value("evt.rawarg.mode") or 0, S_IFMT) == S_IFBLK then
      report("makes a disk's file", { file = value("evt.arg.path") })
    end
  elseif ty == "execve" or ty == "execveat" then
    if (value("proc.cwd") or ""):find("^/proc/[%w-]+/fd/") then
      report("works in a directory that the runtime left open", { file = value("proc.cwd") })
    end
  elseif CALLS[ty] then
    report(CALLS[ty], {})
  else
    local path = value("evt.abspath") or value("fd.name") or ""
    local what = match(FILES, path)
    if not what and value("evt.is_open_write") then what = match(WRITTEN, path) end
    if what then report("opens " .. what, { file = path }) end
  end
end
