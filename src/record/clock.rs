//! Clocks.
#![expect(
    unsafe_code,
    reason = "clock_gettime has no safe form in the standard library"
)]

/// A clock of the kernel in nanoseconds.
fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is room for the result; the clocks used here always exist.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds since the machine started, sleep included: the clock of the probe.
pub(crate) fn boot() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// Nanoseconds since the epoch.
pub(crate) fn wall() -> u64 {
    read(libc::CLOCK_REALTIME)
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn monotonic() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Wall clock minus boot clock, in nanoseconds. Both are read several times; the closest pair counts.
pub(crate) fn boot_to_wall() -> u64 {
    let pair = |_| {
        let before = boot();
        let wall = wall();
        let after = boot();
        (
            after - before,
            wall.wrapping_sub(before + (after - before) / 2),
        )
    };
    (0..16)
        .map(pair)
        .min_by_key(|(width, _)| *width)
        .map_or(0, |(_, offset)| offset)
}

/// CPU time of this process so far, in nanoseconds.
pub(crate) fn cpu_time() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}
