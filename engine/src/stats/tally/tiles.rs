//! Counts the tiles of the overview.

use scap_capture_format::schema::EVENTS;

use super::{TileSet as Mask, TileTally};
use crate::event::Event;
use crate::event::syscall::Call;
use crate::fields::Context;
use crate::filter::Filter;
use crate::lanes::SLOW_NS;
use crate::stats::table::{Among, TILES};

const _: () = assert!(TILES.len() <= Mask::BITS as usize);

/// The tiles' filters and counts.
#[derive(Clone)]
pub(super) struct Tiles {
    filters: Vec<Option<Filter>>,
    /// The possible tiles of an event, by type.
    by_type: Vec<Mask>,
    /// The tiles of failed calls, and those of slow calls.
    failed: Mask,
    slow: Mask,
    pub(super) tallies: Vec<TileTally>,
}

impl Tiles {
    /// Makes the tiles of a segment by copying the thread's compiled filters, since there can be many small segments.
    pub(super) fn new() -> Self {
        thread_local! {
            static COMPILED: Tiles = Tiles::compile();
        }
        COMPILED.with(Self::clone)
    }

    fn compile() -> Self {
        // A test checks that all filters are valid.
        let filters: Vec<_> = TILES.iter().map(|t| Filter::parse(t.filter).ok()).collect();
        let mask = |may: &dyn Fn(&Filter) -> bool| {
            let bits = filters.iter().enumerate();
            let bits = bits.filter(|(_, f)| f.as_ref().is_some_and(may));
            bits.fold(0, |mask: Mask, (at, _)| mask | 1 << at)
        };
        let of = |among| {
            let bits = TILES.iter().enumerate().filter(|(_, t)| t.among == among);
            bits.fold(0, |mask: Mask, (at, _)| mask | 1 << at)
        };
        let types = EVENTS.iter();
        let by_type = types.map(|info| mask(&|f| f.pushdown().types.contains(info.ty)));
        Self {
            by_type: by_type.collect(),
            failed: of(Among::Failed),
            slow: of(Among::Slow),
            tallies: TileTally::all(),
            filters,
        }
    }

    /// Returns the possible tiles of an event by its type.
    pub(super) fn of_type(&self, event: &Event<'_>) -> Mask {
        self.by_type
            .get(usize::from(event.ty.0))
            .copied()
            .unwrap_or(0)
    }

    /// Returns the possible tiles of a call without an event type. `is_ia32`: it may be a call of
    /// the 32-bit ABI whose 64-bit equivalent has an event type.
    pub(super) fn of_call(&self, event: &Event<'_>, call: Call, is_ia32: bool) -> Mask {
        let mask = self.of_type(event);
        let code = call.prototype.map_or(0, |p| p.ppm_sc);
        if is_ia32 || code == 0 {
            return mask;
        }
        let can = |filter: &Filter| {
            let pushdown = filter.pushdown();
            pushdown.types_64bit.contains(event.ty) && pushdown.types.contains_call(code)
        };
        let bits = self.filters.iter().enumerate();
        let bits = bits.filter(|(_, f)| f.as_ref().is_some_and(can));
        mask & bits.fold(0, |mask: Mask, (at, _)| mask | 1 << at)
    }

    /// Returns the possible tiles of an event by its result and its latency.
    pub(super) fn among(&self, failed: bool, latency: Option<u64>) -> Mask {
        let not_failed = if failed { 0 } else { self.failed };
        let not_slow = match latency {
            Some(latency) if latency >= SLOW_NS => 0,
            _ => self.slow,
        };
        !(not_failed | not_slow)
    }

    /// Counts an event in those tiles of a set whose filters match, and returns them.
    pub(super) fn count(&mut self, cx: &Context<'_>, mut mask: Mask, time: usize) -> Mask {
        let mut matching = 0;
        while mask != 0 {
            let at = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let (Some(Some(filter)), Some(tally)) =
                (self.filters.get_mut(at), self.tallies.get_mut(at))
            else {
                continue;
            };
            if filter.matches(cx) {
                matching |= 1 << at;
                tally.count += 1;
                if let Some(count) = tally.series.get_mut(time) {
                    *count = count.saturating_add(1);
                }
            }
        }
        matching
    }
}
