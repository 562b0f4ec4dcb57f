//! Signal names of Linux.

/// Names of the signals from 1 on.
pub const SIGNALS: &[&str] = &[
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// Returns the name of a signal (`9` -> `SIGKILL`); real-time signals (32 and above) have none.
pub fn name(signal: u8) -> Option<&'static str> {
    SIGNALS.get(usize::from(signal.checked_sub(1)?)).copied()
}

/// Returns the number of a signal by name (`SIGKILL` -> `9`).
pub fn number(name: &str) -> Option<u8> {
    let index = SIGNALS.iter().position(|s| *s == name)?;
    u8::try_from(index).ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(
            (name(1), name(9), name(31)),
            (Some("SIGHUP"), Some("SIGKILL"), Some("SIGSYS"))
        );
        assert_eq!((name(0), name(32), name(255)), (None, None, None));
        assert_eq!(number("SIGTERM"), Some(15));
    }
}
