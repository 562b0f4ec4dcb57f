//! Properties of event types in falcosecurity's own readers; generated from `schema/*.csv`.
//!
//! Separate from [`crate::schema`], whose types can be longer (`native-params.csv`): files of sysdig and
//! Falco have the lengths of falcosecurity's table, which select the conversion.

use crate::schema::EventType;

/// Properties of one event type.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    /// Number of parameters in falcosecurity's newest table.
    pub(super) nparams: u8,
    /// Number of parameters in sysdig 0.29.3; `u8::MAX` = the type is newer.
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
    /// The conversion of its exit event can need this event's parameters.
    const ENTER_PARAMS: u8 = 4;
    /// The exit event of a syscall.
    const EXIT: u8 = 8;
    /// The exit event of an execve, which can also end an execveat.
    const EXECVE: u8 = 16;

    /// Returns the properties of a type, `None` if it is newer than the table.
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

    /// Returns the conversion of an event with this number of parameters.
    #[inline]
    pub(super) fn row(&self, nparams: usize) -> Option<&'static Row> {
        if self.rows == 0 {
            return None;
        }
        let mut rows = self.rows().iter();
        rows.find(|r| usize::from(r.nparams) == nparams)
    }

    /// Returns all conversions of events of this type.
    #[inline]
    pub(super) fn rows(&self) -> &'static [Row] {
        let rows = ROWS.get(usize::from(self.first_row)..).unwrap_or(&[]);
        rows.get(..usize::from(self.rows)).unwrap_or(&[])
    }
}

/// The conversion of events with one type and number of parameters; all steps of a chain in one.
pub(super) struct Row {
    /// Number of parameters before.
    pub(super) nparams: u8,
    /// Type after.
    pub(super) to: EventType,
    /// Number of leading parameters that are unchanged.
    pub(super) keep: u8,
    /// The following parameters.
    pub(super) rest: &'static [Source],
}

/// The source of a parameter of a converted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Parameter of the event itself.
    Old(u8),
    /// Parameter of the enter event; absent if there was none.
    Enter(u8),
    /// Absent.
    Empty,
    /// The description of a container, converted from the parameters of an old `container` event.
    ContainerJson,
}

include!(concat!(env!("OUT_DIR"), "/conversions.rs"));
