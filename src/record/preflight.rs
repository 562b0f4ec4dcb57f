//! The requirements of recording; a missing one is reported with a remedy.

use std::path::Path;

use scap_capture_format::schema::Arch;

use super::{RecordError, host::Host, probe::KERNEL_BTF};

/// The oldest kernel that supports everything the probe uses.
const OLDEST: (u32, u32) = (5, 8);

/// Capability numbers.
const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_PTRACE: u32 = 19;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Properties of the kernel that recording depends on.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) arch: Arch,
    pub(super) release: (u32, u32),
    /// One past the highest online CPU.
    pub(super) cpus: u32,
    /// One past the highest possible CPU.
    pub(super) possible_cpus: u32,
    /// One past the highest thread id.
    pub(super) pid_max: u32,
}

/// A missing requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What is missing.
    pub what: String,
    /// The remedy.
    pub fix: String,
}

/// Checks all requirements and returns every missing one at once.
pub(super) fn check(host: &Host) -> Result<Kernel, RecordError> {
    let mut missing = Vec::new();
    let machine = rustix::system::uname();
    let arch = machine.machine().to_string_lossy().into_owned();
    if arch != "x86_64" {
        missing.push(Missing {
            what: format!("the probe does not support the architecture {arch}"),
            fix: "record on an x86_64 machine; captures can be read anywhere".to_owned(),
        });
    }
    let release_text = machine.release().to_string_lossy().into_owned();
    let release = parse_release(&release_text);
    if release < OLDEST {
        missing.push(Missing {
            what: format!(
                "Linux {release_text} is older than {}.{}",
                OLDEST.0, OLDEST.1
            ),
            fix: "use a newer kernel".to_owned(),
        });
    }
    if let Some(lack) = capabilities(release) {
        missing.push(lack);
    }
    if !Path::new(KERNEL_BTF).exists() {
        missing.push(Missing {
            what: format!("the kernel has no BTF type information: {KERNEL_BTF} does not exist"),
            fix: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as those of all current \
                  distributions are; in a container, mount the host's /sys"
                .to_owned(),
        });
    }
    if let Ok(mode) = std::fs::read_to_string("/sys/kernel/security/lockdown")
        && mode.contains("[confidentiality]")
    {
        missing.push(Missing {
            what: "the kernel is locked down (confidentiality), so eBPF programs cannot read its memory"
                .to_owned(),
            fix: "boot with lockdown=integrity or without lockdown".to_owned(),
        });
    }
    missing.extend(process_ids(host));
    if !missing.is_empty() {
        return Err(RecordError::Preflight(missing));
    }
    Ok(Kernel {
        arch: Arch::X86_64,
        release,
        cpus: last_cpu("/sys/devices/system/cpu/online") + 1,
        possible_cpus: last_cpu("/sys/devices/system/cpu/possible") + 1,
        pid_max: std::fs::read_to_string("/proc/sys/kernel/pid_max")
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(1 << 22),
    })
}

/// Processes are identified by the kernel's own ids.
fn process_ids(host: &Host) -> Option<Missing> {
    if host.own_pid().is_none() {
        return Some(Missing {
            what: format!("{} does not show this process", host.proc()),
            fix:
                "mount the machine's root directory with its /proc (docker run -v /:/host:ro), and \
                  name it with --host-root /host"
                    .to_owned(),
        });
    }
    (!host.counts_as_kernel()).then(|| Missing {
        what: format!(
            "{} belongs to another pid namespace, so its process ids are not those of the kernel",
            host.proc()
        ),
        fix: "mount the machine's root directory and name it with --host-root, or start the \
              container with the machine's pid namespace (--pid=host), or record on the machine \
              itself"
            .to_owned(),
    })
}

fn capabilities(release: (u32, u32)) -> Option<Missing> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|caps| u64::from_str_radix(caps.trim(), 16).ok())
        .unwrap_or(0);
    let has = |cap: u32| effective >> cap & 1 != 0;
    if has(CAP_SYS_ADMIN) || (release >= OLDEST && has(CAP_BPF) && has(CAP_PERFMON)) {
        return None;
    }
    let lacks: Vec<_> = [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")]
        .into_iter()
        .filter(|(cap, _)| !has(*cap))
        .map(|(_, name)| name)
        .collect();
    let ptrace = if has(CAP_SYS_PTRACE) {
        ""
    } else {
        ",cap_sys_ptrace"
    };
    Some(Missing {
        what: format!("this process lacks {}", lacks.join(" and ")),
        fix: format!(
            "run it as root (sudo scap record …), or give the program the capabilities: setcap \
             cap_bpf,cap_perfmon{ptrace}+ep scap"
        ),
    })
}

/// Major and minor number of a release such as `6.1.0-13-amd64`.
fn parse_release(text: &str) -> (u32, u32) {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().ok());
    let mut next = || numbers.next().flatten().unwrap_or(0);
    (next(), next())
}

/// The highest number in a list such as `0-3,8`.
fn last_cpu(path: &str) -> u32 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim()
        .rsplit([',', '-'])
        .next()
        .and_then(|last| last.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(parse_release("6.1.0-13-amd64"), (6, 1));
        assert_eq!(parse_release("5.10.0"), (5, 10));
        assert!(parse_release("5.4.0-generic") < OLDEST);
        assert_eq!(parse_release("nonsense"), (0, 0));
    }
}
