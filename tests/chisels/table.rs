//! Chisel by chisel: the captures and arguments that it is shown with.

/// A chisel and how it is run.
pub(crate) struct Case {
    pub(crate) chisel: &'static str,
    /// Captures, each with what follows it on the command line.
    pub(crate) runs: &'static [(&'static str, &'static [&'static str])],
}

const fn case(
    chisel: &'static str,
    runs: &'static [(&'static str, &'static [&'static str])],
) -> Case {
    Case { chisel, runs }
}

/// Every chisel of ours.
pub(crate) const CASES: &[Case] = &[
    case(
        "beaconing",
        &[
            ("beaconing", &["-c", "beaconing"]),
            ("beaconing", &["-c", "beaconing", "4 0.1"]),
            ("beaconing", &["-c", "beaconing", "12"]),
        ],
    ),
    case(
        "bottlenecks",
        &[
            ("office", &["-c", "bottlenecks"]),
            ("office", &["-c", "bottlenecks", "proc.name=dd"]),
        ],
    ),
    case(
        "container_escape",
        &[("container_escape", &["-c", "container_escape"])],
    ),
    case(
        "credential_sweep",
        &[
            ("credential_sweep", &["-c", "credential_sweep"]),
            ("credential_sweep", &["-c", "credential_sweep", "7"]),
        ],
    ),
    case(
        "deleted_exec",
        &[
            ("dropper", &["-c", "deleted_exec"]),
            ("intrusion", &["-c", "deleted_exec"]),
        ],
    ),
    case(
        "echo_fds",
        &[
            ("office", &["-c", "echo_fds", "fd.sport=8080"]),
            ("office", &["-pc", "-c", "echo_fds", "fd.l4proto=udp"]),
        ],
    ),
    case(
        "fdbytes_by",
        &[
            ("office", &["-c", "fdbytes_by", "fd.type"]),
            ("office", &["-j", "-c", "fdbytes_by", "proc.name,fd.type"]),
        ],
    ),
    case(
        "fdcount_by",
        &[("office", &["-c", "fdcount_by", "proc.name"])],
    ),
    case("fdtime_by", &[("office", &["-c", "fdtime_by", "fd.type"])]),
    case("fileslower", &[("office", &["-c", "fileslower", "0.05"])]),
    case("history_wipe", &[("history_wipe", &["-c", "history_wipe"])]),
    case(
        "httplog",
        &[
            ("office", &["-c", "httplog"]),
            ("office", &["-pc", "-c", "httplog", "proc.name=curl"]),
            ("intrusion", &["-c", "httplog", "evt.reltime.s<3"]),
        ],
    ),
    case(
        "httptop",
        &[
            ("intrusion", &["-c", "httptop"]),
            ("intrusion", &["-c", "httptop", "bytes"]),
            ("office", &["-c", "httptop", "time"]),
        ],
    ),
    case("iobytes", &[("intrusion", &["-c", "iobytes"])]),
    case("iobytes_file", &[("intrusion", &["-c", "iobytes_file"])]),
    case("iobytes_net", &[("intrusion", &["-c", "iobytes_net"])]),
    case(
        "list_login_shells",
        &[
            ("office", &["-c", "list_login_shells"]),
            ("office", &["-c", "list_login_shells", "curl"]),
        ],
    ),
    case(
        "lscontainers",
        &[
            ("container_work", &["-c", "lscontainers"]),
            ("container_work", &["-c", "lscontainers", "desc"]),
        ],
    ),
    case(
        "lsof",
        &[("office", &["--from", "#1610", "-c", "lsof", "fd.type=ipv4"])],
    ),
    case(
        "mass_rename",
        &[
            ("mass_rename", &["-c", "mass_rename"]),
            ("mass_rename", &["-c", "mass_rename", "31"]),
        ],
    ),
    case(
        "memcachelog",
        &[
            ("office", &["-c", "memcachelog"]),
            ("office", &["-c", "memcachelog", "set 4"]),
        ],
    ),
    case("memfd_exec", &[("dropper", &["-c", "memfd_exec"])]),
    case("netlower", &[("office", &["-c", "netlower", "0.02"])]),
    case(
        "netstat",
        &[("office", &["--from", "#1610", "-c", "netstat"])],
    ),
    case("persistence", &[("persistence", &["-c", "persistence"])]),
    case(
        "port_scan",
        &[
            ("port_scan", &["-c", "port_scan"]),
            ("port_scan", &["-c", "port_scan", "40"]),
        ],
    ),
    case("proc_exec_time", &[("office", &["-c", "proc_exec_time"])]),
    case("ps", &[("office", &["--from", "#1610", "-c", "ps"])]),
    case(
        "reverse_shells",
        &[
            ("reverse_shell", &["-c", "reverse_shells"]),
            ("intrusion", &["-c", "reverse_shells"]),
        ],
    ),
    case(
        "scallslower",
        &[
            ("office", &["-c", "scallslower", "50"]),
            ("office", &["-pc", "-c", "scallslower", "200"]),
        ],
    ),
    case(
        "shellshock_detect",
        &[("office", &["-c", "shellshock_detect"])],
    ),
    case("spectrogram", &[("office", &["-c", "spectrogram"])]),
    case("spy_file", &[("office", &["-c", "spy_file", "W /var/log"])]),
    case(
        "spy_ip",
        &[("office", &["-c", "spy_ip", "192.0.2.10", "fd.sport=11211"])],
    ),
    case("spy_logs", &[("office", &["-c", "spy_logs"])]),
    case("spy_port", &[("office", &["-c", "spy_port", "5353"])]),
    case("spy_syslog", &[("office", &["-c", "spy_syslog"])]),
    case(
        "spy_users",
        &[
            ("office", &["-c", "spy_users"]),
            ("office", &["-c", "spy_users", "0"]),
        ],
    ),
    case("stderr", &[("office", &["-c", "stderr"])]),
    case("stdin", &[("office", &["-c", "stdin"])]),
    case("stdout", &[("office", &["-c", "stdout"])]),
    case("subsecoffset", &[("office", &["-c", "subsecoffset"])]),
    case(
        "topconns",
        &[
            ("office", &["-c", "topconns"]),
            ("container_work", &["-pc", "-c", "topconns"]),
        ],
    ),
    case(
        "topcontainers_cpu",
        &[("container_work", &["-c", "topcontainers_cpu"])],
    ),
    case(
        "topcontainers_error",
        &[("container_work", &["-c", "topcontainers_error"])],
    ),
    case(
        "topcontainers_file",
        &[("container_work", &["-c", "topcontainers_file"])],
    ),
    case(
        "topcontainers_net",
        &[("container_escape", &["-c", "topcontainers_net"])],
    ),
    case(
        "topfiles_bytes",
        &[
            ("office", &["-c", "topfiles_bytes"]),
            ("container_work", &["-pc", "-c", "topfiles_bytes"]),
        ],
    ),
    case(
        "topfiles_errors",
        &[
            ("office", &["-c", "topfiles_errors"]),
            ("container_work", &["-pc", "-c", "topfiles_errors"]),
        ],
    ),
    case(
        "topfiles_time",
        &[
            ("office", &["-c", "topfiles_time"]),
            ("container_work", &["-pc", "-c", "topfiles_time"]),
        ],
    ),
    case(
        "topports_server",
        &[
            ("office", &["-c", "topports_server"]),
            ("container_work", &["-pc", "-c", "topports_server"]),
        ],
    ),
    case(
        "topprocs_cpu",
        &[
            ("office", &["-c", "topprocs_cpu"]),
            ("container_work", &["-pc", "-c", "topprocs_cpu"]),
        ],
    ),
    case(
        "topprocs_errors",
        &[
            ("office", &["-c", "topprocs_errors"]),
            ("container_work", &["-pc", "-c", "topprocs_errors"]),
        ],
    ),
    case(
        "topprocs_file",
        &[
            ("office", &["-c", "topprocs_file"]),
            ("container_work", &["-pc", "-c", "topprocs_file"]),
        ],
    ),
    case(
        "topprocs_net",
        &[
            ("office", &["-c", "topprocs_net"]),
            ("container_work", &["-pc", "-c", "topprocs_net"]),
        ],
    ),
    case(
        "topscalls",
        &[
            ("office", &["-c", "topscalls"]),
            ("container_work", &["-pc", "-c", "topscalls"]),
        ],
    ),
    case(
        "topscalls_time",
        &[
            ("office", &["-c", "topscalls_time"]),
            ("container_work", &["-pc", "-c", "topscalls_time"]),
        ],
    ),
    case(
        "write_then_exec",
        &[
            ("dropper", &["-c", "write_then_exec"]),
            ("innocent", &["-c", "write_then_exec", "all"]),
        ],
    ),
];

/// Chisels that write files: they are tested by what is in these.
pub(crate) const WRITING: &[&str] = &["around", "udp_extract"];
