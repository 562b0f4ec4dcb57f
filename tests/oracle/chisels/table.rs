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
    refused("shellshock_detect", ""),
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

/// What is written otherwise here.
pub(super) struct Known {
    /// By these chisels,
    pub(super) chisels: &'static [&'static str],
    /// what 0.29.3 writes and what scap does,
    pub(super) parts: &'static [(&'static str, &'static str)],
    /// how often in all runs,
    pub(super) count: usize,
    /// and why.
    pub(super) why: &'static str,
}

/// Every difference.
pub(super) const KNOWN: &[Known] = &[];

/// Chisels whose output is another on these captures, and why.
pub(super) const DIFFERS: &[(&[&str], &[&str], &str)] = &[];
