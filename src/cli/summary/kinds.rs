//! What the account does with the events of each type.

use scap_capture_format::schema::{Category, EventInfo, EventType, EventTypeFlags};

/// What an event is for the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Nothing in particular: it is counted.
    Other,
    /// `execve`, and its enter event.
    Exec,
    ProcExit,
    Connect,
    Accept,
    /// A write to the fd in this parameter.
    Write(u8),
    Open,
    Creat,
    Remove,
    Rename,
    Chmod,
}

impl Call {
    /// Returns what events of each type are, by number of the type.
    pub(super) fn table() -> Vec<Self> {
        let infos = (0..u16::MAX).map_while(|ty| EventType(ty).info());
        infos.map(Self::of).collect()
    }

    fn of(info: &EventInfo) -> Self {
        match info.name {
            name if name.starts_with("execve") => Self::Exec,
            "procexit" => Self::ProcExit,
            "connect" if info.ty.is_exit() => Self::Connect,
            "accept" | "accept4" if info.ty.is_exit() => Self::Accept,
            _ if info.flags.contains(EventTypeFlags::WRITES_TO_FD)
                && info.category == Category::IoWrite =>
            {
                info.fd_param.map_or(Self::Other, Self::Write)
            }
            "open" | "openat" | "openat2" | "open_by_handle_at" => Self::Open,
            "creat" => Self::Creat,
            "unlink" | "unlinkat" | "rmdir" => Self::Remove,
            "rename" | "renameat" | "renameat2" => Self::Rename,
            "chmod" | "fchmod" | "fchmodat" => Self::Chmod,
            _ => Self::Other,
        }
    }
}
