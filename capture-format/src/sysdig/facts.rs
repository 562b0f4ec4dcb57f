//! What the field's own readers assume of an event type; generated from `schema/*.csv`.
//!
//! Separate from [`crate::schema`], whose types can be longer (`native-params.csv`): files of sysdig and
//! Falco have the lengths of the field's table, and conversions are chosen by them.

use crate::schema::EventType;

/// Facts about one event type.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    /// Parameters in the field's newest table.
    pub(super) nparams: u8,
    /// Parameters that sysdig 0.29.3 knows; `u8::MAX` = the type is newer.
    pub(super) known: u8,
    /// Index of the fd parameter; `u8::MAX` = none.
    pub(super) fd_param: u8,
    first_row: u16,
    rows: u8,
    bits: u8,
}

impl Facts {
    /// Parameter lengths are 32 bits wide.
    const LARGE: u8 = 1;
    /// The enter event of a syscall that has an exit event.
    const ENTER: u8 = 2;
    /// Conversion of its exit event can need this enter event's parameters.
    const ENTER_PARAMS: u8 = 4;
    /// The exit event of a syscall.
    const EXIT: u8 = 8;
    /// The exit event of an execve, which can end an execveat too.
    const EXECVE: u8 = 16;

    /// Returns the facts about a type, `None` if it is newer than the table.
    #[inline]
    pub(super) fn of(ty: EventType) -> Option<&'static Self> {
        FACTS.get(usize::from(ty.0))
    }

    #[inline]
    pub(super) const fn is_large(&self) -> bool {
        self.bits & Self::LARGE != 0
    }

    #[inline]
    pub(super) const fn is_enter(&self) -> bool {
        self.bits & Self::ENTER != 0
    }

    #[inline]
    pub(super) const fn needs_enter_params(&self) -> bool {
        self.bits & Self::ENTER_PARAMS != 0
    }

    #[inline]
    pub(super) const fn is_exit(&self) -> bool {
        self.bits & Self::EXIT != 0
    }

    #[inline]
    pub(super) const fn is_execve_exit(&self) -> bool {
        self.bits & Self::EXECVE != 0
    }

    /// Returns the conversion of an event with this many parameters.
    #[inline]
    pub(super) fn row(&self, nparams: usize) -> Option<&'static Row> {
        if self.rows == 0 {
            return None;
        }
        let mut rows = self.rows().iter();
        rows.find(|r| usize::from(r.nparams) == nparams)
    }

    /// Returns every conversion of events of this type.
    #[inline]
    pub(super) fn rows(&self) -> &'static [Row] {
        let rows = ROWS.get(usize::from(self.first_row)..).unwrap_or(&[]);
        rows.get(..usize::from(self.rows)).unwrap_or(&[])
    }
}

/// How events of one type and number of parameters are converted, all steps of a chain in one.
pub(super) struct Row {
    /// Parameters before.
    pub(super) nparams: u8,
    /// Type after.
    pub(super) to: EventType,
    /// How many leading parameters stay what they are.
    pub(super) keep: u8,
    /// The parameters after those.
    pub(super) rest: &'static [Source],
}

/// Where a parameter of a converted event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Parameter of the event itself.
    Old(u8),
    /// Parameter of the enter event; absent if there was none.
    Enter(u8),
    /// Absent.
    Empty,
    /// The description of a container, made from the parameters of a `container` event of old.
    ContainerJson,
}

include!(concat!(env!("OUT_DIR"), "/conversions.rs"));
