//! The header of the file: machine, program, schema.

use std::{fs, path::Path};

use chrono::{Local, Offset as _};
use scap_capture_format::{
    event::Timestamp,
    native::{Header, MachineInfo, SchemaDescription},
};

use super::{Options, clock, host::Host, preflight::Kernel};

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The host name of the machine; a container has its own.
pub(super) fn name(host: &Host) -> String {
    let file = host.path("/etc/hostname");
    let name = if host.is_mounted() {
        text(file)
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
    name.unwrap_or_default().trim_matches('"').to_owned()
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
    text(host.path("/etc/timezone"))
}
