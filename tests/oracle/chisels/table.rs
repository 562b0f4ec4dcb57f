//! Chisel by chisel: what it is run with, how it is compared, what is another here and why.

use super::compare::How::{self, AnyOrder, Counts, Exactly, Summary, Top};

/// A chisel of Debian's package.
#[derive(Debug)]
pub(super) struct Stock {
    pub(super) name: &'static str,
    pub(super) how: How,
    /// What it is run with, word by word: the first on every capture, the others on busy ones.
    pub(super) runs: &'static [&'static [&'static str]],
    /// What it prints here, where 0.29.3 refuses to run it.
    pub(super) refused: Option<&'static str>,
}

const fn stock(name: &'static str, how: How, runs: &'static [&'static [&'static str]]) -> Stock {
    Stock {
        name,
        how,
        runs,
        refused: None,
    }
}

/// A chisel that 0.29.3 refuses.
const fn refused(name: &'static str, prints: &'static str) -> Stock {
    Stock {
        name,
        how: Exactly,
        runs: &[&[]],
        refused: Some(prints),
    }
}

/// Everything that only prints.
pub(super) const CHISELS: &[Stock] = &[
    stock("bottlenecks", Exactly, &[&[], &["evt.type=read"]]),
    stock(
        "echo_fds",
        Exactly,
        &[&[], &["-pc"], &["disable_colors"], &["fd.type=file"]],
    ),
    stock(
        "fdbytes_by",
        Top(30),
        &[
            &["fd.type"],
            &["fd.directory"],
            &["fd.name"],
            &["proc.name"],
            &["fd.sport"],
            &["-j", "fd.type"],
        ],
    ),
    stock(
        "fdcount_by",
        Counts,
        &[&["fd.type"], &["fd.name"], &["proc.name"]],
    ),
    stock(
        "fdtime_by",
        Top(30),
        &[
            &["fd.type"],
            &["proc.name"],
            &["evt.type"],
            &["-j", "fd.type"],
        ],
    ),
    stock(
        "fileslower",
        Exactly,
        &[&["0"], &["1"], &["-pc", "0"], &["0 disable_colors"]],
    ),
    // Without markers of an application all there is is the page around the chart.
    stock("flame", AnyOrder, &[&[]]),
    stock("httplog", Exactly, &[&[], &["-pc"]]),
    stock(
        "httptop",
        Top(30),
        &[&[], &["time"], &["bytes"], &["-j"], &["-pc"]],
    ),
    stock("iobytes", Exactly, &[&[]]),
    stock("iobytes_file", Exactly, &[&[]]),
    stock("iobytes_net", Exactly, &[&[]]),
    stock(
        "list_login_shells",
        AnyOrder,
        &[&[], &["*"], &["ls"], &["ls -la"], &["-pc"]],
    ),
    stock("lscontainers", AnyOrder, &[&[], &["desc"]]),
    stock(
        "lsof",
        AnyOrder,
        &[
            &[],
            &["fd.type=ipv4"],
            &["'proc.name=sshd and fd.type=file'"],
            &["-pc"],
        ],
    ),
    stock("memcachelog", Exactly, &[&[], &["get"], &["get 10"]]),
    stock("netlower", Exactly, &[&["0"], &["1"], &["-pc", "0"]]),
    stock("netstat", AnyOrder, &[&[], &["fd.sport=22"], &["-pc"]]),
    stock(
        "proc_exec_time",
        Exactly,
        &[&[], &["disable_color"], &["-pc"]],
    ),
    stock("ps", Exactly, &[&[], &["fd.type=ipv4"], &["-pc"]]),
    stock("scallslower", Exactly, &[&["0"], &["1"], &["-pc", "0"]]),
    refused(
        "shellshock_detect",
        "TIME                  PROCNAME              PID     FUNCTION\n",
    ),
    stock(
        "spy_file",
        Exactly,
        &[&[], &["R"], &["W"], &["RW"], &["R /etc/ld.so.cache"]],
    ),
    stock("spy_ip", Exactly, &[&["127.0.0.1"], &["10.0.2.2"]]),
    stock("spy_logs", Exactly, &[&[], &["-pc"]]),
    stock(
        "spy_port",
        Exactly,
        &[&["80"], &["22"], &["80 disable_color"]],
    ),
    stock("spy_syslog", Exactly, &[&[], &["-pc"]]),
    stock(
        "spy_users",
        Exactly,
        &[
            &[],
            &["1"],
            &["-pc"],
            &["disable_color"],
            &["2 disable_color"],
            &["proc.name=ls"],
        ],
    ),
    stock("stderr", Exactly, &[&[], &["disable_color"], &["-pc"]]),
    stock("stdin", Exactly, &[&[]]),
    stock("stdout", Exactly, &[&[], &["proc.name=ls"]]),
    stock(
        "topconns",
        Top(10),
        &[&[], &["-pc"], &["-j"], &["fd.sport=80"]],
    ),
    stock("topcontainers_cpu", Top(10), &[&[], &["-j"]]),
    stock("topcontainers_error", Top(10), &[&[], &["-j"]]),
    stock("topcontainers_file", Top(10), &[&[], &["-j"]]),
    stock("topcontainers_net", Top(10), &[&[], &["-j"]]),
    stock(
        "topfiles_bytes",
        Top(10),
        &[&[], &["-pc"], &["-j"], &["proc.name=cat"]],
    ),
    stock("topfiles_errors", Top(10), &[&[], &["-pc"], &["-j"]]),
    stock("topfiles_time", Top(10), &[&[], &["-pc"], &["-j"]]),
    stock("topports_server", Top(10), &[&[], &["-pc"], &["-j"]]),
    stock("topprocs_cpu", Top(10), &[&[], &["-pc"], &["-j"]]),
    stock("topprocs_errors", Top(10), &[&[], &["-pc"], &["-j"]]),
    stock("topprocs_file", Top(10), &[&[], &["-pc"], &["-j"]]),
    stock("topprocs_net", Top(10), &[&[], &["-pc"], &["-j"]]),
    stock(
        "topscalls",
        Top(30),
        &[&[], &["-pc"], &["-j"], &["proc.name=curl"]],
    ),
    stock("topscalls_time", Top(30), &[&[], &["-pc"], &["-j"]]),
    stock("tracers_2_statsd", Exactly, &[&[]]),
    stock("wsysdig_summary", Summary, &[&[]]),
];

/// What draws only on a terminal.
pub(super) const DRAWING: &[Stock] = &[
    stock("spectrogram", Exactly, &[&[], &["100"]]),
    stock("subsecoffset", Exactly, &[&[], &["100"]]),
];

/// What cannot be run by itself.
pub(super) const NOT_RUN: &[(&str, &str)] = &[
    ("ansiterminal", "a library"),
    ("common", "a library"),
    ("dkjson", "a library"),
    ("http", "a library"),
    ("statsd", "a library"),
    (
        "table_generator",
        "runs as part of the fifteen that call it",
    ),
];

/// Where something else is printed here, and why.
pub(super) struct Known {
    /// By these chisels
    pub(super) chisels: &'static [&'static str],
    /// on this capture,
    pub(super) capture: &'static str,
    /// since this is so: mostly the value of a field, of which `crate::known` tells.
    pub(super) why: &'static str,
}

const fn known(
    chisels: &'static [&'static str],
    capture: &'static str,
    why: &'static str,
) -> Known {
    Known {
        chisels,
        capture,
        why,
    }
}

const LATENCY: &str =
    "events that are no calls have no latency; 0.29.3 repeats the one of the call before";
const UNKNOWN_FD: &str =
    "a read of 3 bytes began before the capture: nothing tells of which fd; 0.29.3 says 0";
const ROUNDING: &str = "newer LuaJIT rounds halves to even";
const NAMES: &str = "rt_sigreturn was named sigreturn, calls without a name have their number";
const UNKNOWN_PID: &str =
    "nothing tells the process of some threads; 0.29.3 takes their own number";
const UNKNOWN_CGROUPS: &str = "nor their cgroups, which decide the color; 0.29.3 says host";
const UNIX_NAME: &str = "a connect that failed gave the socket no name; 0.29.3 gives it one";

/// Every difference.
pub(super) const KNOWN: &[Known] = &[
    known(
        &["bottlenecks"],
        "falco-connect-localhost",
        "AF_LOCAL is AF_UNIX, too",
    ),
    known(&["bottlenecks"], "libs-single-ipv6-conn", LATENCY),
    known(
        &["bottlenecks"],
        "libs-sample",
        "0.29.3 does not know, nor count, 95 of the events before",
    ),
    known(
        &["bottlenecks", "scallslower", "topscalls_time"],
        "falco-run-as-user-0-container",
        LATENCY,
    ),
    known(
        &["scallslower", "topscalls_time"],
        "libs-curl-google",
        LATENCY,
    ),
    known(
        &["scallslower", "topscalls_time"],
        "falco-open-multiple-files",
        LATENCY,
    ),
    known(
        &[
            "echo_fds",
            "fdbytes_by",
            "iobytes_file",
            "stdin",
            "topprocs_file",
        ],
        "falco-run-as-user-0-container",
        UNKNOWN_FD,
    ),
    known(
        &["fdbytes_by"],
        "libs-curl-google",
        "the directory of an fd without a known name is not known; 0.29.3 says /",
    ),
    known(&["fdcount_by"], "libs-curl-google", UNIX_NAME),
    known(&["fdcount_by"], "libs-single-ipv6-conn", UNIX_NAME),
    known(&["ps"], "falco-run-as-user-0-container", ROUNDING),
    known(&["ps"], "falco-syscall", ROUNDING),
    known(&["ps"], "libs-curl-google", ROUNDING),
    known(
        &["topprocs_errors", "wsysdig_summary"],
        "falco-connect-localhost",
        UNKNOWN_PID,
    ),
    known(
        &["topprocs_errors", "topprocs_net", "wsysdig_summary"],
        "libs-single-ipv6-conn",
        UNKNOWN_PID,
    ),
    known(&["wsysdig_summary"], "falco-syscall", UNKNOWN_PID),
    known(&["scallslower"], "falco-connect-localhost", UNKNOWN_CGROUPS),
    known(&["scallslower"], "falco-syscall", UNKNOWN_CGROUPS),
    known(
        &["netlower", "scallslower"],
        "libs-single-ipv6-conn",
        UNKNOWN_CGROUPS,
    ),
    known(&["topscalls"], "falco-cat-write", NAMES),
    known(&["topscalls"], "falco-run-as-user-0-container", NAMES),
    known(
        &["topscalls"],
        "libs-sample",
        "sysdigevent is scapevent now",
    ),
];
