//! Changes of the machine that the kernel has no event for: users and groups, and steps of the wall clock.
//!
//! They are looked for after the calls that usually make them, and from time to time.

use scap_capture_format::{
    event::Params,
    schema::{EventType, syscall, types},
};

use super::{
    accounts::AccountWatch,
    clock::{self, StepDetector},
    encode::Out,
    host::Host,
};
use crate::event::{
    Event, EventExt as _,
    async_event::{CLOCK_STEP, ClockStep},
};

/// Time between two looks. One takes a few microseconds.
const INTERVAL_NS: u64 = 20_000_000;

/// Calls that set the wall clock.
const CLOCK_CALLS: [&str; 4] = ["adjtimex", "clock_adjtime", "clock_settime", "settimeofday"];

/// Watches the machine, and makes an event of each change.
pub(super) struct MachineWatch {
    accounts: AccountWatch,
    steps: StepDetector,
    /// Wall clock minus boot clock, as in the times of events.
    boot_to_wall: u64,
    /// Codes of [`CLOCK_CALLS`].
    clock_calls: [u64; CLOCK_CALLS.len()],
    /// Time of the last look, on the boot clock.
    looked: u64,
    out: Out,
}

impl MachineWatch {
    /// Begins with the current state. `boot_to_wall` is wall clock minus boot clock, in nanoseconds, as just measured.
    pub(super) fn new(host: &Host, boot_to_wall: u64) -> Self {
        let now = clock::boot();
        let code = |name| syscall::by_name(name).map_or(0, |call| u64::from(call.ppm_sc));
        Self {
            accounts: AccountWatch::new(host),
            steps: StepDetector::new(now, boot_to_wall),
            boot_to_wall,
            clock_calls: CLOCK_CALLS.map(code),
            looked: now,
            out: Out::new(),
        }
    }

    /// Looks for what an event may have changed, and calls `see` with what follows it.
    pub(super) fn after(&mut self, event: &Event<'_>, mut see: impl FnMut(EventType, Params<'_>)) {
        if AccountWatch::may_replace(event) {
            self.accounts.look(Some(event.ts), see);
        } else if event.ty == types::GENERIC_X
            && let Some(code) = event.uint(0)
            && code != 0
            && self.clock_calls.contains(&code)
        {
            self.look_at_clock(event.ts.0, &mut see);
        }
    }

    /// Looks for changes if it is time, `now` on the boot clock. What is found gets the time `ts`.
    pub(super) fn look(&mut self, now: u64, ts: u64, mut see: impl FnMut(EventType, Params<'_>)) {
        if now.saturating_sub(self.looked) < INTERVAL_NS {
            return;
        }
        self.looked = now;
        self.look_at_clock(ts, &mut see);
        self.accounts.look(None, see);
    }

    fn look_at_clock(&mut self, ts: u64, see: &mut impl FnMut(EventType, Params<'_>)) {
        let Some(step) = self.steps.look(clock::boot(), clock::boot_to_wall()) else {
            return;
        };
        let shown = |offset: u64| {
            let since_boot = ts.wrapping_sub(self.boot_to_wall);
            since_boot.wrapping_add(offset).cast_signed()
        };
        let mut data = Vec::new();
        ClockStep {
            before: shown(step.before),
            after: shown(step.after),
        }
        .write(&mut data);
        self.out.clear();
        self.out.u32(0);
        self.out.str(CLOCK_STEP);
        self.out.bytes(&data);
        if let Some(params) = Params::new(&self.out.lens, &self.out.data) {
            see(types::ASYNCEVENT_E, params);
        }
    }
}
