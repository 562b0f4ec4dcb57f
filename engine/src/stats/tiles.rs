//! The tiles of the overview.

use super::table::View;

/// A tile of the overview: the number of events that match a filter.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Its title.
    pub title: &'static str,
    /// The condition.
    pub filter: &'static str,
    /// The view that Enter opens, narrowed by the filter.
    pub view: View,
    /// True if a single match is notable.
    pub notable: bool,
    /// Which events can match at all, besides the types in the filter.
    pub among: Among,
}

/// A subset of events for which filters are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Any.
    All,
    /// Calls that returned an error.
    Failed,
    /// Calls over a millisecond.
    Slow,
}

impl Tile {
    const fn among(mut self, among: Among) -> Self {
        self.among = among;
        self
    }
}

const fn tile(title: &'static str, view: View, filter: &'static str) -> Tile {
    Tile {
        title,
        filter,
        view,
        notable: false,
        among: Among::All,
    }
}

const fn notable(title: &'static str, view: View, filter: &'static str) -> Tile {
    Tile {
        title,
        filter,
        view,
        notable: true,
        among: Among::All,
    }
}

/// Filters shared by several tiles.
macro_rules! executed {
    () => {
        "evt.type in (execve, execveat) and evt.rawres = 0"
    };
}

macro_rules! opened {
    () => {
        "evt.type in (open, openat, openat2, creat, open_by_handle_at)"
    };
}

macro_rules! written {
    () => {
        concat!(
            opened!(),
            " and evt.rawres >= 0 and (evt.is_open_write = true or evt.is_open_create = true)"
        )
    };
}

/// Files that make a machine run something later, by path, in a field.
macro_rules! autostart {
    ($field:literal) => {
        concat!(
            "(",
            $field,
            " in (/etc/ld.so.preload, /etc/anacrontab, /etc/rc.local, /etc/profile, ",
            "/etc/bash.bashrc, /etc/bashrc, /etc/environment, /etc/passwd, /etc/shadow) or ",
            $field,
            " startswith anyof (/etc/ld.so.conf, /etc/cron, /var/spool/cron/, /var/spool/at/, ",
            "/etc/systemd/, /usr/lib/systemd/, /lib/systemd/, /usr/local/lib/systemd/, ",
            "/etc/init.d/, /etc/rc0.d/, /etc/rc1.d/, /etc/rc2.d/, /etc/rc3.d/, /etc/rc4.d/, ",
            "/etc/rc5.d/, /etc/rc6.d/, /etc/rcS.d/, /etc/update-motd.d/, /etc/profile.d/, ",
            "/etc/zsh/, /etc/sudoers, /etc/pam.d/, /etc/udev/rules.d/, /etc/modules) or ",
            $field,
            " endswith anyof (/.ssh/authorized_keys, /.ssh/authorized_keys2, /.ssh/rc, ",
            "/.bashrc, /.bash_profile, /.bash_login, /.bash_logout, /.profile, /.zshrc, ",
            "/.zprofile, /.zshenv) or ",
            $field,
            " contains /.config/systemd/user/ or (",
            $field,
            " contains /security/pam_ and ",
            $field,
            " endswith .so) or (",
            $field,
            " startswith /lib/modules/ and ",
            $field,
            " contains .ko) or (",
            $field,
            " contains /autostart/ and ",
            $field,
            " endswith .desktop))"
        )
    };
}

/// Histories of shells, records of logins and logs that intruders wipe, by path, in a field.
macro_rules! traces {
    ($field:literal) => {
        concat!(
            "(",
            $field,
            " endswith anyof (_history, /.history, /.histfile) or ",
            $field,
            " startswith anyof (/var/log/wtmp, /var/log/btmp, /var/log/lastlog, /run/utmp, ",
            "/var/run/utmp, /var/log/audit/, /var/log/journal/) or ",
            $field,
            " in (/var/log/auth.log, /var/log/secure, /var/log/messages, /var/log/syslog, ",
            "/var/log/kern.log, /var/log/cron))"
        )
    };
}

/// Calls that wait, as the timeline understands it, without a condition on their duration.
macro_rules! waiting {
    () => {
        "(evt.type in (poll, ppoll, select, pselect6, _newselect, epoll_wait, epoll_pwait, \
         epoll_pwait2, epoll_wait_old, nanosleep, clock_nanosleep, futex, futex_wait, \
         futex_waitv, wait4, waitid, waitpid, pause, rt_sigtimedwait, rt_sigsuspend, \
         sigsuspend, accept, accept4, vfork, semop, semtimedop, msgrcv, msgsnd, \
         mq_timedreceive, mq_timedsend, io_getevents, io_pgetevents, io_uring_enter, \
         restart_syscall, sched_yield) or \
         (evt.type in (clone, clone3) and evt.arg.flags contains CLONE_VFORK) or \
         ((evt.is_io_read = true or evt.type = splice) and \
         not (fd.type = directory or (fd.type in (file, memfd) and \
         (not fd.name startswith /dev/ or fd.name startswith /dev/shm/)))))"
    };
}

/// The tiles: the first questions of an investigation.
pub const TILES: &[Tile] = &[
    tile("programs executed", View::Commands, executed!()),
    tile(
        "commands at a terminal",
        View::Commands,
        concat!(executed!(), " and proc.tty != 0"),
    ),
    notable(
        "shells started by servers",
        View::Commands,
        concat!(
            executed!(),
            " and proc.name in (sh, bash, dash, ash, zsh, ksh, mksh, csh, tcsh, fish, busybox) and ",
            "(proc.pname in (nginx, httpd, apache2, lighttpd, caddy, haproxy, java, node, nodejs, ",
            "perl, ruby, php, php-cgi, uwsgi, gunicorn, tomcat, postgres, mysqld, mariadbd, ",
            "redis-server, mongod, memcached, named, smbd, vsftpd, proftpd) or ",
            "proc.pname startswith python or proc.pname startswith php-fpm)"
        ),
    ),
    notable(
        "executed from /tmp, /dev/shm",
        View::Commands,
        concat!(
            executed!(),
            " and (proc.exepath startswith /tmp/ or proc.exepath startswith /var/tmp/ or ",
            "proc.exepath startswith /dev/shm/ or ",
            // A script, whose interpreter is the executed program.
            "evt.arg.filename startswith /tmp/ or evt.arg.filename startswith /var/tmp/ or ",
            "evt.arg.filename startswith /dev/shm/)"
        ),
    ),
    notable(
        "executed from memory or deleted",
        View::Commands,
        concat!(
            executed!(),
            " and (proc.is_exe_from_memfd = true or proc.exepath startswith memfd: or ",
            "proc.exepath startswith /memfd: or proc.exepath endswith \" (deleted)\")"
        ),
    ),
    tile(
        "processes created",
        View::Processes,
        "evt.type in (clone, clone3, fork, vfork) and evt.rawres > 0 and \
         not evt.arg.flags contains CLONE_THREAD",
    ),
    tile(
        "killed by signals",
        View::Processes,
        "evt.type = procexit and evt.rawarg.sig > 0",
    ),
    tile(
        "files opened for writing",
        View::Files,
        concat!(
            written!(),
            " and not (fd.name startswith /dev/ and not fd.name startswith /dev/shm/) and ",
            "not fd.name startswith /proc/"
        ),
    ),
    tile(
        "files removed",
        View::Files,
        "evt.type in (unlink, unlinkat, rmdir) and evt.rawres = 0",
    ),
    tile(
        "files renamed or linked",
        View::Files,
        "evt.type in (rename, renameat, renameat2, link, linkat, symlink, symlinkat) and \
         evt.rawres = 0",
    ),
    notable(
        "made executable",
        View::Files,
        "evt.type in (chmod, fchmod, fchmodat) and evt.rawres = 0 and \
         (evt.arg.mode contains S_IX or evt.arg.mode contains S_ISUID)",
    ),
    notable(
        "system files written",
        View::Files,
        concat!(
            written!(),
            " and fd.name pmatch (/etc, /usr, /bin, /sbin, /lib, /lib32, /lib64, /boot)"
        ),
    ),
    notable(
        "credentials opened",
        View::Files,
        concat!(
            opened!(),
            " and (fd.name in (/etc/shadow, /etc/shadow-, /etc/gshadow, /etc/gshadow-, ",
            "/etc/sudoers, /etc/security/opasswd, /etc/krb5.keytab) or ",
            "fd.name startswith /etc/sudoers.d/ or fd.name startswith /etc/ssh/ssh_host_ or ",
            "fd.name startswith /var/run/secrets/ or fd.name startswith /run/secrets/ or ",
            "fd.name contains /.ssh/id_ or fd.name endswith /.aws/credentials or ",
            "fd.name endswith /.kube/config or fd.name endswith /.docker/config.json or ",
            "fd.name endswith /.git-credentials or fd.name endswith /.netrc or ",
            "fd.name endswith /.pgpass or fd.name endswith _history)"
        ),
    ),
    // The chisel `persistence` reports the same, except what package managers and programs that
    // maintain accounts do.
    notable(
        "persistence",
        View::Files,
        concat!(
            "(",
            written!(),
            " and ",
            autostart!("fd.name"),
            ") or (evt.type in (rename, renameat, renameat2) and evt.rawres = 0 and ",
            autostart!("fs.path.target"),
            ") or (evt.type in (link, linkat, symlink, symlinkat) and evt.rawres = 0 and ",
            autostart!("fs.path.source"),
            ") or (evt.type = truncate and evt.rawres = 0 and ",
            autostart!("fs.path.name"),
            ")"
        ),
    ),
    // The chisel `history_wipe` reports these, except those of programs that maintain logs, and also
    // what takes several calls: histories that are replaced or switched off.
    notable(
        "histories or logs wiped",
        View::Files,
        concat!(
            "(evt.type in (unlink, unlinkat) and evt.rawres = 0 and ",
            traces!("fs.path.name"),
            ") or (evt.type in (rename, renameat, renameat2) and evt.rawres = 0 and ",
            traces!("fs.path.source"),
            " and not fs.path.target startswith /var/log/ and not ",
            traces!("fs.path.target"),
            ") or (",
            opened!(),
            " and evt.rawres >= 0 and evt.is_open_create = false and ",
            traces!("fd.name"),
            // Last: flags are compared as text.
            " and evt.arg.flags contains O_TRUNC) or (evt.type in (symlink, symlinkat) and evt.rawres = 0 and ",
            "evt.arg.target = /dev/null and ",
            traces!("fs.path.source"),
            ") or (evt.type = truncate and evt.rawres = 0 and evt.arg.length = 0 and ",
            traces!("fs.path.name"),
            ") or (evt.type = ftruncate and evt.rawres = 0 and evt.arg.length = 0 and ",
            "(evt.arg.fd endswith \"_history)\" or evt.arg.fd endswith \"/.history)\" or ",
            "evt.arg.fd endswith \"/.histfile)\" or evt.arg.fd contains <f>/var/log/wtmp or ",
            "evt.arg.fd contains <f>/var/log/btmp or evt.arg.fd contains <f>/var/log/lastlog or ",
            "evt.arg.fd contains <f>/run/utmp or evt.arg.fd contains <f>/var/run/utmp or ",
            "evt.arg.fd contains <f>/var/log/audit/ or evt.arg.fd contains <f>/var/log/journal/ or ",
            "evt.arg.fd endswith \"<f>/var/log/auth.log)\" or ",
            "evt.arg.fd endswith \"<f>/var/log/secure)\" or ",
            "evt.arg.fd endswith \"<f>/var/log/messages)\" or ",
            "evt.arg.fd endswith \"<f>/var/log/syslog)\" or ",
            "evt.arg.fd endswith \"<f>/var/log/kern.log)\" or ",
            "evt.arg.fd endswith \"<f>/var/log/cron)\"))"
        ),
    ),
    tile(
        "outgoing connections",
        View::Connections,
        "evt.type = connect and evt.rawres in (0, -115) and fd.type in (ipv4, ipv6) and \
         fd.l4proto != udp",
    ),
    tile(
        "incoming connections",
        View::Connections,
        "evt.type in (accept, accept4) and evt.rawres >= 0 and fd.type in (ipv4, ipv6)",
    ),
    tile(
        "listening ports",
        View::Ports,
        "evt.type = listen and evt.rawres = 0 and fd.type in (ipv4, ipv6)",
    ),
    tile(
        "DNS queries",
        View::Connections,
        "evt.type in (send, sendto, sendmsg, sendmmsg, write, writev) and evt.rawres > 0 and \
         fd.sport = 53",
    ),
    // A non-blocking `connect` reports its failure later, through `getsockopt`.
    tile(
        "failed connections",
        View::Connections,
        "((evt.type = connect and evt.rawres < 0 and not evt.rawres in (-115, -114, -4, -11)) or \
         (evt.type = getsockopt and evt.arg.optname = SO_ERROR and evt.arg.val startswith E)) and \
         fd.type in (ipv4, ipv6)",
    ),
    notable(
        "user id changes",
        View::Events,
        "evt.type in (setuid, setreuid, setresuid) and evt.rawres = 0",
    ),
    notable(
        "access to other processes",
        View::Events,
        "evt.type in (ptrace, process_vm_readv, process_vm_writev, pidfd_getfd)",
    ),
    notable(
        "kernel code loaded",
        View::Events,
        "(evt.type in (init_module, finit_module, kexec_load, kexec_file_load) or \
         (evt.type = bpf and evt.arg.cmd contains BPF_PROG_LOAD)) and evt.rawres >= 0",
    ),
    notable(
        "namespaces entered",
        View::Events,
        "evt.type in (setns, unshare) and evt.rawres = 0",
    ),
    tile("access denied", View::Errors, "evt.rawres in (-1, -13)").among(Among::Failed),
    tile(
        "files not found",
        View::Errors,
        concat!(opened!(), " and evt.rawres = -2"),
    )
    .among(Among::Failed),
    tile("failed calls", View::Errors, "evt.failed = true").among(Among::Failed),
    tile(
        "calls over 100 ms",
        View::Slow,
        concat!("evt.latency > 100ms and not ", waiting!()),
    )
    .among(Among::Slow),
    tile(
        "waits over 1 s",
        View::Waits,
        concat!("evt.latency > 1s and ", waiting!()),
    )
    .among(Among::Slow),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;
    use crate::lanes::Lane;

    #[test]
    fn every_tile_asks_something() {
        for tile in TILES {
            let filter =
                Filter::parse(tile.filter).unwrap_or_else(|e| panic!("{}: {e}", tile.title));
            assert!(filter.unanswerable().is_empty() && !filter.needs_payload());
            assert!(filter.pushdown().depends_on_all.is_none(), "{}", tile.title);
        }
    }

    #[test]
    fn waiting_is_what_the_engine_calls_so() {
        let list = format!("evt.type in ({})", crate::event::waits::CALLS.join(", "));
        let tidy: Vec<&str> = waiting!().split_whitespace().collect();
        assert!(tidy.join(" ").contains(&list), "{list}");
    }

    #[test]
    fn slow_is_what_the_timeline_calls_slow_and_longer() {
        let slow = TILES.iter().find(|t| t.view == View::Slow).unwrap();
        let lane = crate::lanes::filter(Lane::Slow);
        assert_eq!(slow.filter.replace("100ms", "1000000"), lane);
    }
}
