//! The header of the file: machine, program, schema.

use std::{fs, path::Path};

use chrono::{Local, Offset as _};
use scap_capture_format::{
    event::Timestamp,
    native::{Header, MachineInfo, SchemaDescription},
};

use crate::files;

use super::{Options, clock, host::Host, preflight::Kernel};

/// Most bytes that are read of a file; those of a machine in `--host-root` may be anything.
const TEXT_BYTES: u64 = 64 << 10;
/// Longest name in bytes; Linux allows 64.
const NAME_BYTES: usize = 255;

fn text(path: impl AsRef<Path>) -> String {
    let bytes = files::read_regular(path.as_ref(), TEXT_BYTES).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// Returns the first line of a text, cut to the length of a name.
fn line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(NAME_BYTES)].to_owned()
}

/// The host name of the machine; a container has its own.
pub(super) fn name(host: &Host) -> String {
    let file = host.path("/etc/hostname");
    let name = if host.is_mounted() {
        line(&text(file))
    } else {
        String::new()
    };
    if name.is_empty() {
        let machine = rustix::system::uname();
        return machine.nodename().to_string_lossy().into_owned();
    }
    name
}

/// Describes this machine and this recording. `boot_to_wall` is wall clock minus boot clock, in nanoseconds.
pub(super) fn header(options: &Options, host: &Host, kernel: &Kernel, boot_to_wall: u64) -> Header {
    let machine = rustix::system::uname();
    let words = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let memory = rustix::system::sysinfo();
    let monotonic = clock::wall().cast_signed() - clock::monotonic().cast_signed();
    Header {
        machine: MachineInfo {
            host_name: name(host),
            kernel_release: words(machine.release()),
            kernel_version: words(machine.version()),
            arch: words(machine.machine()),
            boot_id: text("/proc/sys/kernel/random/boot_id"),
            os: os_name(host),
            cpus: kernel.cpus,
            memory: memory.totalram as u64 * u64::from(memory.mem_unit),
            boot_time: Timestamp(boot_to_wall),
            boot_to_real_ns: boot_to_wall.cast_signed(),
            monotonic_to_real_ns: monotonic,
            utc_offset_s: Local::now().offset().fix().local_minus_utc(),
            time_zone: time_zone(host),
            page_size: rustix::param::page_size() as u32,
            hz: rustix::param::clock_ticks_per_second() as u32,
            ..MachineInfo::default()
        },
        writer: concat!("scap ", env!("CARGO_PKG_VERSION")).to_owned(),
        options: options.given.clone(),
        snaplen: options.snaplen,
        start: Timestamp(clock::wall()),
        schema: SchemaDescription::full(),
        ..Header::default()
    }
}

fn os_name(host: &Host) -> String {
    let release = text(host.path("/etc/os-release"));
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    line(name.unwrap_or_default().trim_matches('"'))
}

/// Name of the time zone from the system's files.
fn time_zone(host: &Host) -> String {
    if let Ok(zone) = std::env::var("TZ") {
        return zone;
    }
    if let Ok(link) = fs::read_link(host.path("/etc/localtime"))
        && let Some((_, zone)) = link.to_string_lossy().split_once("zoneinfo/")
    {
        return zone.to_owned();
    }
    line(&text(host.path("/etc/timezone")))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn files_of_a_hostile_machine_are_read_in_part_and_do_not_block() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let host = Host::new(dir.path());
        let hostname = dir.path().join("etc/hostname");
        mkfifoat(CWD, &hostname, Mode::RUSR).unwrap();
        let own = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        assert_eq!(name(&host), own);
        fs::remove_file(&hostname).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &hostname).unwrap();
        assert_eq!(name(&host), own);
        fs::remove_file(&hostname).unwrap();
        fs::write(&hostname, "é".repeat(1 << 20)).unwrap();
        assert_eq!(name(&host), "é".repeat(127));
        fs::write(&hostname, "web-1\nmore\n").unwrap();
        assert_eq!(name(&host), "web-1");
        fs::write(
            dir.path().join("etc/os-release"),
            "ID=x\nPRETTY_NAME=\"A B\"\n",
        )
        .unwrap();
        assert_eq!(os_name(&host), "A B");
    }
}
