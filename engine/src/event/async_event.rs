//! Names of asynchronous events (type 402), which recorders write for anything other than calls.

use super::time::NS_PER_S;

/// A container was described; the data is JSON.
pub const CONTAINER: &[u8] = b"container";
/// A process was moved to other cgroups; the data is their list, as in `clone` events. Named after the cgroup file that
/// moves processes; scap's own.
pub const CGROUP_PROCS: &[u8] = b"cgroup.procs";
/// A thread was moved to other cgroups; scap's own.
pub const CGROUP_THREADS: &[u8] = b"cgroup.threads";
/// A thread was given another name by other means than its own calls; the data is the name. scap's own.
pub const COMM: &[u8] = b"comm";
/// What an fd is that no event of a call describes: received by message, made by io_uring or an ioctl. The data is an
/// [`OpenFd`]; scap's own.
pub const FD: &[u8] = b"fd";
/// Working and root directory and mount namespace of a thread after a call that changed one of them. The data is
/// [`Directories`]; scap's own.
pub const DIRECTORIES: &[u8] = b"directories";
/// An argument in memory of the thread's last call, as it was when the call returned: another thread changed it
/// meanwhile. The data is the argument's name, `=` and the text. scap's own.
pub const ARGUMENT: &[u8] = b"argument";
/// The wall clock was set; the data is a [`ClockStep`]. scap's own.
pub const CLOCK_STEP: &[u8] = b"clock.step";
/// A rule matched the event before; see [`alert`](super::alert). scap's own.
pub const ALERT: &[u8] = b"alert";

/// The data of a [`CLOCK_STEP`] event: `before=SECONDS after=SECONDS`, since the epoch and with nine decimals. Times of
/// events do not follow the wall clock, so the difference between `after` and the event's time is also what is to be added
/// to the times of later events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// What the wall clock would have shown at the time of the event, in nanoseconds since the epoch.
    pub before: i64,
    /// What it shows.
    pub after: i64,
}

impl ClockStep {
    /// Appends the data.
    pub fn write(&self, out: &mut Vec<u8>) {
        let text = |ns: i64| {
            let sign = if ns < 0 { "-" } else { "" };
            let ns = ns.unsigned_abs();
            format!("{sign}{}.{:09}", ns / NS_PER_S, ns % NS_PER_S)
        };
        let text = format!("before={} after={}", text(self.before), text(self.after));
        out.extend_from_slice(text.as_bytes());
    }

    /// Reads the data; `None` if it is malformed.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let number = |text: &str| {
            let (seconds, part) = text.split_once('.')?;
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let (is_negative, seconds) = match seconds.strip_prefix('-') {
                Some(seconds) => (true, seconds),
                None => (false, seconds),
            };
            if part.len() != 9 || !digits(seconds) || !digits(part) {
                return None;
            }
            let ns: u64 = seconds.parse::<u64>().ok()?.checked_mul(NS_PER_S)?;
            let ns = i64::try_from(ns.checked_add(part.parse().ok()?)?).ok()?;
            Some(if is_negative { -ns } else { ns })
        };
        let text = std::str::from_utf8(bytes).ok()?;
        let (before, after) = text.split_once(' ')?;
        Some(Self {
            before: number(before.strip_prefix("before=")?)?,
            after: number(after.strip_prefix("after=")?)?,
        })
    }
}

/// The data of an [`FD`] event. Encoded little-endian in this order; the texts have their lengths before them in 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFd<'a> {
    /// The number.
    pub fd: i64,
    /// The kind, numbered as in snapshots; 0 = nothing is open at the number.
    pub kind: u8,
    /// Whether `execve` closes it.
    pub cloexec: bool,
    /// A socket that accepts connections.
    pub is_listening: bool,
    /// Transport protocol of a socket, numbered as in snapshots.
    pub l4: u8,
    /// Open flags (`PPM_O_*`).
    pub open_flags: u32,
    /// Device of a file, in the encoding of user space.
    pub dev: u32,
    /// Inode.
    pub ino: u64,
    /// Name as in `/proc`; empty for a socket.
    pub name: &'a [u8],
    /// Own end and peer of a socket, as a parameter of type SOCKTUPLE; empty if there are none.
    pub tuple: &'a [u8],
}

impl<'a> OpenFd<'a> {
    /// Appends the data.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.fd.to_le_bytes());
        let bits = u8::from(self.cloexec) | u8::from(self.is_listening) << 1;
        out.extend_from_slice(&[self.kind, bits, self.l4, 0]);
        out.extend_from_slice(&self.open_flags.to_le_bytes());
        out.extend_from_slice(&self.dev.to_le_bytes());
        out.extend_from_slice(&self.ino.to_le_bytes());
        for text in [self.name, self.tuple] {
            write_text(text, out);
        }
    }

    /// Reads the data; `None` if it is malformed.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (fd, rest) = bytes.split_first_chunk()?;
        let ([kind, bits, l4, _], rest) = rest.split_first_chunk()?;
        let (open_flags, rest) = rest.split_first_chunk()?;
        let (dev, rest) = rest.split_first_chunk()?;
        let (ino, rest) = rest.split_first_chunk()?;
        let (name, rest) = read_text(rest)?;
        let (tuple, _) = read_text(rest)?;
        Some(Self {
            fd: i64::from_le_bytes(*fd),
            kind: *kind,
            cloexec: bits & 1 != 0,
            is_listening: bits & 2 != 0,
            l4: *l4,
            open_flags: u32::from_le_bytes(*open_flags),
            dev: u32::from_le_bytes(*dev),
            ino: u64::from_le_bytes(*ino),
            name,
            tuple,
        })
    }
}

/// The data of a [`DIRECTORIES`] event. Encoded in this order, as [`OpenFd`] is; the namespace has 32 bits, 0 = not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directories<'a> {
    /// Inode number of the mount namespace, which the paths are of.
    pub mount_ns: Option<u32>,
    /// Root directory; empty if it is not known.
    pub root: &'a [u8],
    /// Working directory; empty if it is not known.
    pub cwd: &'a [u8],
}

impl<'a> Directories<'a> {
    /// Appends the data.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.mount_ns.unwrap_or(0).to_le_bytes());
        write_text(self.root, out);
        write_text(self.cwd, out);
    }

    /// Reads the data; `None` if it is malformed.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (mount_ns, rest) = bytes.split_first_chunk()?;
        let (root, rest) = read_text(rest)?;
        let (cwd, _) = read_text(rest)?;
        Some(Self {
            mount_ns: Some(u32::from_le_bytes(*mount_ns)).filter(|number| *number != 0),
            root,
            cwd,
        })
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    let text = &text[..text.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text);
}

/// Splits a text and its length off.
fn read_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_the_clock_are_read_as_written() {
        for (step, text) in [
            (
                (1_764_486_041_000_000_001, 1_764_486_043_500_000_000),
                "before=1764486041.000000001 after=1764486043.500000000",
            ),
            ((0, -1_500_000_000), "before=0.000000000 after=-1.500000000"),
            (
                (-1, i64::MAX),
                "before=-0.000000001 after=9223372036.854775807",
            ),
        ] {
            let step = ClockStep {
                before: step.0,
                after: step.1,
            };
            let mut out = Vec::new();
            step.write(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), text);
            assert_eq!(ClockStep::parse(&out), Some(step));
        }
    }

    #[test]
    fn malformed_steps_are_refused() {
        for text in [
            "",
            "before=1.0 after=2.0",
            "before=1.000000000 after=",
            "before=1.000000000 after=99999999999999999999.000000000",
            "before=9999999999.000000000 after=1.000000000",
            "before=--1.000000000 after=1.000000000",
            "before=1.+00000000 after=1.000000000",
            "after=1.000000000 before=1.000000000",
            "before=1.000000000 after=1.000000000 ",
        ] {
            assert_eq!(ClockStep::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(ClockStep::parse(b"before=\xff"), None);
    }
}
