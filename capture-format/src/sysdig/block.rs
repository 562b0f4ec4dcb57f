//! The kinds of blocks.

/// The kind of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Section header.
    Section,
    /// Machine.
    Machine,
    /// Threads, by version of the list.
    Threads(u8),
    /// Fds of one thread; whether the entries have lengths.
    Fds { lengths: bool },
    /// Network interfaces.
    Interfaces { lengths: bool },
    /// Users and groups.
    Users { lengths: bool },
    /// An event; whether it is preceded by flags, and whether the number of parameters is stored.
    Event { flags: bool, counted: bool },
}

/// The section header's block type, the same in both byte orders.
pub(super) const SECTION: u32 = 0x0A0D_0D0A;
/// As written: machine.
pub(super) const MACHINE: u32 = 0x201;
/// As written: threads.
pub(super) const THREADS_V9: u32 = 0x215;
/// As written: fds.
pub(super) const FDS_V2: u32 = 0x218;
/// As written: interfaces.
pub(super) const INTERFACES_V2: u32 = 0x219;
/// As written: users and groups.
pub(super) const USERS_V2: u32 = 0x220;
/// As written: event.
pub(super) const EVENT_V2: u32 = 0x216;
/// As written: event with flags.
pub(super) const EVENT_FLAGS_V2: u32 = 0x217;
/// As written: event with 32-bit lengths.
pub(super) const EVENT_LARGE: u32 = 0x221;
/// As written: event with flags and 32-bit lengths.
pub(super) const EVENT_FLAGS_LARGE: u32 = 0x222;

impl Block {
    /// Returns for the type of an event's block whether the event is preceded by flags, and whether the number of
    /// parameters is stored.
    #[inline]
    pub(super) const fn event(number: u32) -> Option<(bool, bool)> {
        match number {
            EVENT_V2 | EVENT_LARGE => Some((false, true)),
            EVENT_FLAGS_V2 | EVENT_FLAGS_LARGE => Some((true, true)),
            0x204 | 0x8010_ABCD => Some((false, false)),
            0x208 => Some((true, false)),
            _ => None,
        }
    }

    /// Returns the kind of a block type, `None` if it is unknown.
    pub(super) const fn of(number: u32) -> Option<Self> {
        if let Some((flags, counted)) = Self::event(number) {
            return Some(Self::Event { flags, counted });
        }
        Some(match number {
            SECTION => Self::Section,
            MACHINE | 0x8002_ABCD => Self::Machine,
            0x202 | 0x8000_ABCD => Self::Threads(1),
            0x207 | 0x8013_ABCD => Self::Threads(2),
            0x209 | 0x8014_ABCD => Self::Threads(3),
            0x210 => Self::Threads(4),
            0x211 => Self::Threads(5),
            0x212 => Self::Threads(6),
            0x213 => Self::Threads(7),
            0x214 => Self::Threads(8),
            THREADS_V9 => Self::Threads(9),
            FDS_V2 => Self::Fds { lengths: true },
            0x203 | 0x8001_ABCD => Self::Fds { lengths: false },
            INTERFACES_V2 => Self::Interfaces { lengths: true },
            0x205 | 0x8011_ABCD => Self::Interfaces { lengths: false },
            USERS_V2 => Self::Users { lengths: true },
            0x206 | 0x8012_ABCD => Self::Users { lengths: false },
            _ => return None,
        })
    }
}
