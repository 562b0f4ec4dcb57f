//! Calls that have not returned when the recording ends.

use scap_capture_format::schema::Arch;
use scap_probe_common::{
    spec::{self, ABI_ENTRIES},
    stamp,
    wire::{LATENCY_UNKNOWN, RecordHeader, kind, record_flag},
};

use super::{
    Options,
    abi::Call,
    clock,
    host::Host,
    probe::{ring::Rings, setup::CommSet},
};

/// Calls `see` for each call in flight that is to be recorded, with its header and its number of arguments.
/// The probe's stamps show which threads are in a call and since when, /proc shows the arguments. A thread that
/// /proc shows in another call, or running, has left the stamped call meanwhile and is skipped.
pub(super) fn each(
    arch: Arch,
    host: &Host,
    rings: &Rings,
    options: &Options,
    follows: impl Fn(u32) -> bool,
    mut see: impl FnMut(&RecordHeader, usize),
) {
    let own = host.own_pid();
    let comms = CommSet::new(options);
    for pid in super::procfs::numbers(host.proc()) {
        if Some(pid) == own || !follows(pid) || !options.wants_pid(pid) {
            continue;
        }
        for tid in super::procfs::numbers(format!("{}/{pid}/task", host.proc())) {
            let entered = rings.stamp(tid);
            if !stamp::is_call(entered) {
                continue;
            }
            let base = format!("{}/{pid}/task/{tid}", host.proc());
            if !comms.wants(&base) {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(format!("{base}/syscall")) else {
                continue;
            };
            let Some((nr, args)) = parse(&text) else {
                continue;
            };
            let place = stamp::place(entered);
            let is_ia32 = place as usize >= ABI_ENTRIES;
            if spec::place(u64::from(nr), is_ia32) != place || options.excludes(arch, place) {
                continue;
            }
            let now = clock::boot();
            let latency = stamp::elapsed(entered, now);
            let header = RecordHeader {
                kind: kind::SYSCALL,
                flags: if is_ia32 { record_flag::IA32 } else { 0 },
                nr,
                tid,
                pid,
                ts: now,
                latency: if latency >> 53 == 0 {
                    latency
                } else {
                    LATENCY_UNKNOWN
                },
                args,
                ..RecordHeader::default()
            };
            let count = Call::at(arch, place).map_or(6, |call| call.args());
            see(&header, count);
        }
    }
}

/// `/proc/<pid>/syscall`: number, six arguments, stack and program counter; or `running`, or `-1`.
fn parse(text: &str) -> Option<(u16, [u64; 6])> {
    let mut words = text.split_ascii_whitespace();
    let nr = words.next()?.parse().ok()?;
    let mut args = [0; 6];
    for arg in &mut args {
        let word = words.next()?.strip_prefix("0x")?;
        *arg = u64::from_str_radix(word, 16).ok()?;
    }
    Some((nr, args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_blocked_thread_is_parsed() {
        let line = "0 0x3 0x7ffd1000 0x1000 0x0 0x0 0x0 0x7ffd0f00 0x7f0011223344\n";
        assert_eq!(parse(line), Some((0, [3, 0x7ffd_1000, 0x1000, 0, 0, 0])));
        assert_eq!(parse("running\n"), None);
        assert_eq!(parse("-1 0x7ffd0f00 0x7f0011223344\n"), None);
    }
}
