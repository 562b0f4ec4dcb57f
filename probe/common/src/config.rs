//! What the loader freezes into the probe before the kernel verifies it: choices of this
//! recording, and where this kernel keeps the fields that the probe reads.
//!
//! The verifier sees these values as constants, so a branch for a field that the kernel lacks, or
//! for a filter that was not asked for, costs nothing.

/// An offset that this kernel's BTF does not have.
pub const MISSING: u32 = u32::MAX;

/// The cgroup controllers whose path is recorded, in the order of `Config::cgroup_subsys`.
pub const CGROUP_CONTROLLERS: [&str; 5] = ["cpuset", "cpu", "cpuacct", "io", "memory"];

/// `arg` of a [`CGROUP`](crate::wire::tag::CGROUP) item for the unified (v2) hierarchy.
pub const CGROUP_UNIFIED: u8 = 5;

/// How a set of ids filters; `Config::pid_filter` and `Config::comm_filter`.
pub mod filter {
    /// Not at all.
    pub const OFF: u32 = 0;
    /// Only what is in the set is recorded.
    pub const INCLUDE: u32 = 1;
    /// What is in the set is left out.
    pub const EXCLUDE: u32 = 2;
}

/// What the map of followed processes says of one.
pub mod followed {
    /// It is held by the recorder, to be recorded from its next execve on.
    pub const HELD: u8 = 0;
    /// It is recorded.
    pub const RUNNING: u8 = 1;
}

/// Choices of this recording.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Process that is never recorded: the recorder, as the initial pid namespace sees it.
    pub own_pid: u32,
    /// Most bytes kept of a data buffer.
    pub snaplen: u32,
    /// Segments of one CPU's ring.
    pub segments: u32,
    /// One of [`filter`].
    pub pid_filter: u32,
    /// One of [`filter`].
    pub comm_filter: u32,
    /// 1: record only processes in the map of descendants, and add their children to it.
    pub follow: u32,
    /// 1: of threads in cgroups that the recorder has ruled out, record only calls that change the state.
    pub cgroup_filter: u32,
    /// The hierarchy whose cgroups that goes by: index of a controller in `css_set.subsys`, or
    /// [`MISSING`] for the unified one.
    pub cgroup_hierarchy: u32,
    /// 1 if `bpf_get_current_task_btf` exists (Linux 5.11).
    pub has_task_btf: u32,
    /// Index of each of [`CGROUP_CONTROLLERS`] in `css_set.subsys`, or [`MISSING`].
    pub cgroup_subsys: [u32; 5],
    /// Bytes from one resident-page counter to the next.
    pub rss_stride: u32,
}

/// One field of a kernel structure and the names it has had.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// Paths `structure.member.member`, newest first; the first that resolves is taken.
    pub paths: &'static [&'static str],
}

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident: [$($path:literal),+],)*) => {
        /// Byte offsets of kernel fields, [`MISSING`] where the kernel has none of the names.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct Offsets { $($(#[$doc])* pub $name: u32,)* }

        impl Offsets {
            /// Every offset in the order of the structure, with the BTF paths it comes from.
            pub const FIELDS: &'static [FieldSpec] = &[$(FieldSpec { paths: &[$($path),+] },)*];
            /// No field known.
            pub const NONE: Self = Self { $($name: MISSING,)* };

            /// Fills the offsets in order from a resolver.
            pub fn resolve(mut find: impl FnMut(&FieldSpec) -> Option<u32>) -> Self {
                let mut fields = Self::FIELDS.iter();
                Self { $($name: fields.next().and_then(&mut find).unwrap_or(MISSING),)* }
            }

            /// Name and offset of every field.
            pub fn each(&self, mut see: impl FnMut(&'static str, u32)) {
                $(see(stringify!($name), self.$name);)*
            }
        }
    };
}

offsets! {
    /// Syscall arguments and number in the saved registers.
    regs_arg0: ["pt_regs.di"],
    regs_arg1: ["pt_regs.si"],
    regs_arg2: ["pt_regs.dx"],
    regs_arg3: ["pt_regs.r10"],
    regs_arg4: ["pt_regs.r8"],
    regs_arg5: ["pt_regs.r9"],
    regs_nr: ["pt_regs.orig_ax"],
    /// Arguments of a call through the 32-bit entry; its third is where the 64-bit one is.
    regs_arg0_ia32: ["pt_regs.bx"],
    regs_arg1_ia32: ["pt_regs.cx"],
    regs_arg5_ia32: ["pt_regs.bp"],
    task_status: ["task_struct.thread_info.status"],
    task_files: ["task_struct.files"],
    task_fs: ["task_struct.fs"],
    task_mm: ["task_struct.mm"],
    task_cred: ["task_struct.cred"],
    task_signal: ["task_struct.signal"],
    task_nsproxy: ["task_struct.nsproxy"],
    nsproxy_mnt: ["nsproxy.mnt_ns"],
    mnt_ns_inum: ["mnt_namespace.ns.inum"],
    task_real_parent: ["task_struct.real_parent"],
    task_children: ["task_struct.children"],
    task_group_leader: ["task_struct.group_leader"],
    task_thread_pid: ["task_struct.thread_pid"],
    task_cgroups: ["task_struct.cgroups"],
    task_pid: ["task_struct.pid"],
    task_tgid: ["task_struct.tgid"],
    task_comm: ["task_struct.comm"],
    task_start: ["task_struct.start_boottime", "task_struct.real_start_time"],
    task_min_flt: ["task_struct.min_flt"],
    task_maj_flt: ["task_struct.maj_flt"],
    task_loginuid: ["task_struct.loginuid"],
    task_exit_code: ["task_struct.exit_code"],
    files_fdt: ["files_struct.fdt"],
    fdt_fd: ["fdtable.fd"],
    fdt_max: ["fdtable.max_fds"],
    fdt_cloexec: ["fdtable.close_on_exec"],
    file_inode: ["file.f_inode"],
    file_mode: ["file.f_mode"],
    file_flags: ["file.f_flags"],
    file_private: ["file.private_data"],
    file_path: ["file.f_path", "file.__f_path"],
    path_dentry: ["path.dentry"],
    path_mnt: ["path.mnt"],
    inode_mode: ["inode.i_mode"],
    inode_ino: ["inode.i_ino"],
    inode_sb: ["inode.i_sb"],
    inode_uid: ["inode.i_uid"],
    inode_gid: ["inode.i_gid"],
    inode_ctime_sec: ["inode.i_ctime_sec", "inode.__i_ctime.tv_sec", "inode.i_ctime.tv_sec"],
    inode_ctime_nsec: ["inode.i_ctime_nsec", "inode.__i_ctime.tv_nsec", "inode.i_ctime.tv_nsec"],
    inode_mtime_sec: ["inode.i_mtime_sec", "inode.__i_mtime.tv_sec", "inode.i_mtime.tv_sec"],
    inode_mtime_nsec: ["inode.i_mtime_nsec", "inode.__i_mtime.tv_nsec", "inode.i_mtime.tv_nsec"],
    sb_dev: ["super_block.s_dev"],
    sb_magic: ["super_block.s_magic"],
    /// From an inode of overlayfs, which is part of this structure; the loader subtracts where it begins, and goes by the
    /// size of an inode where the structure is not described, since the field follows it.
    ovl_upper: ["ovl_inode.__upperdentry"],
    dentry_name: ["dentry.d_name.name", "dentry.__d_name.name"],
    dentry_parent: ["dentry.d_parent"],
    mount_mnt: ["mount.mnt"],
    mount_parent: ["mount.mnt_parent"],
    mount_mountpoint: ["mount.mnt_mountpoint"],
    vfsmount_root: ["vfsmount.mnt_root"],
    fs_pwd: ["fs_struct.pwd"],
    fs_root: ["fs_struct.root"],
    socket_sk: ["socket.sk"],
    sock_family: ["sock.__sk_common.skc_family"],
    sock_state: ["sock.__sk_common.skc_state"],
    sock_num: ["sock.__sk_common.skc_num"],
    sock_dport: ["sock.__sk_common.skc_dport"],
    sock_saddr: ["sock.__sk_common.skc_rcv_saddr"],
    sock_daddr: ["sock.__sk_common.skc_daddr"],
    sock_saddr6: ["sock.__sk_common.skc_v6_rcv_saddr"],
    sock_daddr6: ["sock.__sk_common.skc_v6_daddr"],
    sock_type: ["sock.sk_type"],
    sock_protocol: ["sock.sk_protocol"],
    sock_backlog: ["sock.sk_ack_backlog"],
    sock_backlog_max: ["sock.sk_max_ack_backlog"],
    inet_saddr: ["inet_sock.inet_saddr"],
    inet_sport: ["inet_sock.inet_sport"],
    unix_addr: ["unix_sock.addr"],
    unix_peer: ["unix_sock.peer"],
    unix_address_len: ["unix_address.len"],
    unix_address_name: ["unix_address.name"],
    signal_live: ["signal_struct.live"],
    /// A bit; the next one is `has_child_subreaper`.
    signal_subreaper: ["signal_struct.is_child_subreaper"],
    signal_pids: ["signal_struct.pids"],
    signal_rlim: ["signal_struct.rlim"],
    signal_tty: ["signal_struct.tty"],
    tty_index: ["tty_struct.index"],
    tty_driver: ["tty_struct.driver"],
    tty_driver_major: ["tty_driver.major"],
    tty_driver_minor: ["tty_driver.minor_start"],
    pid_level: ["pid.level"],
    pid_numbers: ["pid.numbers"],
    upid_ns: ["upid.ns"],
    pidns_child_reaper: ["pid_namespace.child_reaper"],
    mm_arg_start: ["mm_struct.arg_start"],
    mm_arg_end: ["mm_struct.arg_end"],
    mm_env_start: ["mm_struct.env_start"],
    mm_env_end: ["mm_struct.env_end"],
    mm_exe_file: ["mm_struct.exe_file"],
    mm_total_vm: ["mm_struct.total_vm"],
    mm_rss: ["mm_struct.rss_stat.count", "mm_struct.rss_stat"],
    percpu_counter_count: ["percpu_counter.count"],
    /// The first of eight ids that follow each other: real, saved, effective, for files; user and group each.
    cred_uid: ["cred.uid"],
    cred_user_ns: ["cred.user_ns"],
    user_ns_users: ["user_namespace.uid_map"],
    user_ns_groups: ["user_namespace.gid_map"],
    user_ns_level: ["user_namespace.level"],
    cred_euid: ["cred.euid"],
    cred_egid: ["cred.egid"],
    cred_cap_inheritable: ["cred.cap_inheritable"],
    cred_cap_permitted: ["cred.cap_permitted"],
    cred_cap_effective: ["cred.cap_effective"],
    css_set_subsys: ["css_set.subsys"],
    css_set_dfl: ["css_set.dfl_cgrp"],
    css_cgroup: ["cgroup_subsys_state.cgroup"],
    cgroup_kn: ["cgroup.kn"],
    kernfs_parent: ["kernfs_node.__parent", "kernfs_node.parent"],
    kernfs_name: ["kernfs_node.name"],
    kernfs_id: ["kernfs_node.id"],
    bprm_filename: ["linux_binprm.filename"],
    siginfo_pid: ["kernel_siginfo._sifields._kill._pid"],
    siginfo_code: ["kernel_siginfo.si_code"],
}
