//! What is another here than in sysdig 0.29.3, and why.

use scap::filter::ast::Op;

/// Fields with other values.
pub(crate) struct Difference {
    /// The fields,
    pub(crate) fields: &'static [&'static str],
    /// and on how many events of all captures each differs.
    pub(crate) counts: &'static [u64],
    /// Why.
    pub(crate) why: &'static str,
    /// Whether 0.29.3 shows memory that was never set: a value can be the right one by chance.
    pub(crate) random: bool,
}

impl Difference {
    /// Whether a field can differ on so many events.
    pub(crate) fn expects(&self, field: &str, count: u64) -> bool {
        let index = self.fields.iter().position(|f| *f == field).unwrap();
        match self.random {
            true => (1..=self.counts[index]).contains(&count),
            false => count == self.counts[index],
        }
    }
}

/// Every difference of values.
pub(crate) const VALUES: &[Difference] = &[
    Difference {
        fields: &["evt.type", "syscall.type"],
        counts: &[14, 32],
        why: "rt_sigreturn was named sigreturn, calls without a name have their number now (syscall_221); procexit and signaldeliver are no syscalls",
        random: false,
    },
    Difference {
        fields: &["evt.arg[0]", "evt.args", "evt.info"],
        counts: &[21, 51, 51],
        why: "fd -1 was printed like the 32-bit register; AF_LOCAL and AF_UNIX are one number, newer libraries print both; the number of a call without a name is shown; text of an argument is not cut at a line end; a number of a pid namespace is not named",
        random: false,
    },
    Difference {
        fields: &["evt.buflen", "evt.buflen.in", "evt.buflen.out"],
        counts: &[9, 1, 5],
        why: "0.29.3 has none if it does not know the fd, and for sendmmsg",
        random: false,
    },
    Difference {
        fields: &[
            "evt.latency",
            "evt.latency.ns",
            "evt.latency.human",
            "evt.latency.quantized",
        ],
        counts: &[90, 90, 199, 90],
        why: "on events that are no calls 0.29.3 repeats the latency of the thread's last call",
        random: false,
    },
    Difference {
        fields: &["fd.connected"],
        counts: &[192],
        why: "the fd of calls that 0.29.3 does not list under it (mmap, getsockname, calls without a type); a connect that returned EINPROGRESS has connected nothing yet",
        random: false,
    },
    Difference {
        fields: &["fd.containerdirectory", "fd.directory"],
        counts: &[202, 201],
        why: "the fd of calls that 0.29.3 does not list under it (mmap, getsockname, calls without a type); the directory of an fd whose name is not known is not known; 0.29.3 says /",
        random: false,
    },
    Difference {
        fields: &["fd.is_server"],
        counts: &[218],
        why: "the fd of calls that 0.29.3 does not list under it (mmap, getsockname, calls without a type); a socket that has neither bound nor connected is no server, nor is the client of a connection within the machine, \
              whose address need not be that of an interface",
        random: false,
    },
    Difference {
        fields: &[
            "fd.lip",
            "fd.rip",
            "fd.lport",
            "fd.rport",
            "fd.lproto",
            "fd.rproto",
        ],
        counts: &[5, 5, 5, 5, 5, 5],
        why: "where both addresses are the machine's 0.29.3 takes the client's end for the server's own",
        random: false,
    },
    Difference {
        fields: &[
            "fd.containername",
            "fd.name",
            "fd.filename",
            "fd.name_changed",
            "fd.num",
            "fd.type",
            "fd.typechar",
            "fd.uid",
        ],
        counts: &[215, 215, 187, 187, 211, 187, 211, 211],
        why: "the fd of calls that 0.29.3 does not list under it (mmap, getsockname, calls without a type); a read that began before the capture, of an fd that nothing tells; 0.29.3 says fd 0",
        random: false,
    },
    Difference {
        fields: &["fd.cport", "fd.cproto", "fd.sproto"],
        counts: &[31, 31, 3],
        why: "unix sockets have no ports; ports without a service have their number",
        random: false,
    },
    Difference {
        fields: &["fd.dev", "fd.dev.major", "fd.dev.minor"],
        counts: &[424, 296, 400],
        why: "the fd of calls that 0.29.3 does not list under it (mmap, getsockname, calls without a type); 0.29.3 shows memory that was never set for whatever is no file",
        random: true,
    },
    Difference {
        fields: &["group.gid", "user.loginuid"],
        counts: &[447, 269],
        why: "0.29.3 shows the next field's bytes with it",
        random: true,
    },
    Difference {
        fields: &["proc.apid[0]", "proc.pid", "thread.ismain"],
        counts: &[44, 44, 44],
        why: "nothing tells the process of a thread that the capture does not introduce",
        random: false,
    },
    Difference {
        fields: &["container.id", "container.name", "container.type"],
        counts: &[44, 44, 44],
        why: "nor its cgroups; 0.29.3 says host",
        random: false,
    },
    Difference {
        fields: &["proc.exeline"],
        counts: &[1289],
        why: "no blank at its end where there are no arguments",
        random: false,
    },
    Difference {
        fields: &["proc.fdopencount"],
        counts: &[191],
        why: "an execve closes what is marked so when the process was in the capture's list, too",
        random: false,
    },
    Difference {
        fields: &["proc.nchilds"],
        counts: &[1270],
        why: "0.29.3 does not count threads of the capture's list",
        random: false,
    },
    Difference {
        fields: &["proc.pcmdline", "proc.pname"],
        counts: &[158, 158],
        why: "the parent of a thread's process, not the process itself",
        random: false,
    },
    Difference {
        fields: &["proc.sname"],
        counts: &[1306],
        why: "captures that do not tell the session; 0.29.3 says the process itself",
        random: false,
    },
    Difference {
        fields: &["proc.tty", "user.loginname"],
        counts: &[36, 36],
        why: "0.29.3 reads them from the wrong place in newer process lists",
        random: false,
    },
    Difference {
        fields: &["proc.vmrss", "proc.vmsize"],
        counts: &[11, 12],
        why: "memory is the process's: what another thread's event told is the newest",
        random: false,
    },
    Difference {
        fields: &["user.homedir", "user.shell"],
        counts: &[461, 461],
        why: "users of the host are not those of a container",
        random: false,
    },
    Difference {
        fields: &["evt.arg.fd"],
        counts: &[43],
        why: "fd -1 was printed like the 32-bit register",
        random: false,
    },
    Difference {
        fields: &["evt.rawres"],
        counts: &[16],
        why: "getuid and its like return an id",
        random: false,
    },
    Difference {
        fields: &["evt.res"],
        counts: &[16],
        why: "getuid and its like return an id",
        random: false,
    },
    Difference {
        fields: &["fd.l4proto"],
        counts: &[19],
        why: "the fd of calls that 0.29.3 does not list under it (mmap, getsockname, calls without a type); a protocol is known from socket() on",
        random: false,
    },
];

/// Parts of a line and what they are here, on how many lines, why.
pub(crate) type Lines = (&'static [(&'static str, &'static str)], usize, &'static str);

/// Lines of the default print that are written otherwise: what 0.29.3 writes, what scap does, on how many
/// lines, and why.
pub(crate) const LINES: &[Lines] = &[
    (
        &[("vtid=1(systemd) vpid=1(systemd)", "vtid=1 vpid=1")],
        1,
        "a number of a pid namespace is not that of the host's process",
    ),
    (
        &[("fd=4294967295", "fd=-1"), ("fd=-1(EPERM)", "fd=-1")],
        43,
        "an anonymous mapping has no fd, which is no error either",
    ),
    (
        &[("<unknown>", "syscall_221")],
        1,
        "calls without a name have their number",
    ),
    (
        &[("(AF_LOCAL)", "(AF_LOCAL|AF_UNIX)")],
        6,
        "both names of the number, as in newer libraries",
    ),
    (
        &[("> sigreturn", "> rt_sigreturn")],
        13,
        "the call's name, as in newer libraries",
    ),
    (
        &[
            (" pgid=", " vpgid="),
            ("loginuid=-1 ", "loginuid=-1(<NONE>) "),
        ],
        1,
        "the parameters' names and types in newer libraries",
    ),
];

/// And of sysdig's formats with containers and with pods.
pub(crate) const CONTAINER_LINES: Lines = (
    &[
        (" host (host) <NA> (", " <NA> (<NA>) <NA> ("),
        (" (host) <NA> (", " (<NA>) <NA> ("),
        ("(AF_LOCAL)", "(AF_LOCAL|AF_UNIX)"),
    ],
    88,
    "the cgroups of a thread that the capture does not introduce are not known; 0.29.3 prints host",
);

/// Types of events that 0.29.3 does not print.
pub(crate) const NOT_PRINTED: &[&str] = &["container", "useradded", "groupadded"];

/// Whether a check is meant, why.
type Filters = (fn(&str, Op) -> bool, &'static str);

/// Checks that mean something else, by field and operator.
pub(crate) const FILTERS: &[Filters] = &[
    (
        |field, _| {
            field.starts_with("proc.vm")
                || field.starts_with("thread.vm")
                || field.starts_with("thread.pf")
                || field.starts_with("evt.buflen")
                || field.starts_with("evt.count.error")
                || matches!(field, "fd.name_changed" | "evt.category")
        },
        "0.29.3 filters most events before it takes note of what they tell, and never takes note of those \
         that do not pass",
    ),
    (
        |field, _| {
            matches!(
                field,
                "user.name" | "user.homedir" | "user.shell" | "user.loginname" | "group.name"
            )
        },
        "a user or group that is not known has the value <NA>, as in newer libraries",
    ),
    (
        |field, op| {
            op == Op::In && (field.starts_with("proc.aname") || field.starts_with("proc.apid"))
        },
        "0.29.3 compares the process itself where a list of ancestors is asked for",
    ),
    (
        |field, op| {
            matches!(op, Op::Ne | Op::Exists)
                && matches!(
                    field,
                    "fd.ip"
                        | "fd.net"
                        | "fd.port"
                        | "fd.proto"
                        | "fd.cnet"
                        | "fd.snet"
                        | "fd.lnet"
                        | "fd.rnet"
                )
        },
        "!= asks for both ends to be others, as in newer libraries; 0.29.3 refuses exists",
    ),
    (
        |field, op| matches!(field, "fd.port" | "fd.proto") && !matches!(op, Op::Eq | Op::In),
        "0.29.3 takes an end that is not known for port 0",
    ),
    (
        |field, _| field == "proc.sname",
        "captures that do not tell the session; 0.29.3 has the text <NA> for threads it does not know",
    ),
    (
        |field, op| field == "fd.l4proto" && matches!(op, Op::Ne | Op::Exists),
        "a read that began before the capture, of an fd that nothing tells",
    ),
    (
        |field, _| field == "proc.is_exe_writable",
        "0.29.3 finds it neither true nor false",
    ),
];
