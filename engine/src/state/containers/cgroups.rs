//! Determines the container of a thread from the paths of its cgroups.
//!
//! The layouts are those of falcosecurity's matchers (`plugins/container/src/matchers`), and the ids are as in Falco
//! and sysdig. Differences:
//!
//! * A cgroup below a container's own, as created by systemd or Docker inside a container, belongs to the
//!   container too; falcosecurity's matchers require the id at the end of the path. The innermost container in
//!   the path counts.
//! * systemd-nspawn is supported. Its manager, in a cgroup beside the payload's, is not in the container.
//! * containerd's own `/NAMESPACE/ID` counts only where it can hardly be anything else, see [`ctr`];
//!   falcosecurity treats every such path as a container, including cgroups created by an administrator.
//! * The runtime is the one with that layout of cgroups. falcosecurity reports the runtime that answered.

use std::borrow::Cow;

/// Digits of a full id.
const FULL_ID: usize = 64;
/// Digits or characters of a displayed id.
const SHORT_ID: usize = 12;

/// A container found in a list of cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The whole id, or the name for runtimes that identify containers by name.
    pub full_id: Cow<'a, [u8]>,
    /// The runtime with this layout, if it is unique.
    pub runtime: Option<&'static str>,
    is_cut: bool,
}

impl Found<'_> {
    /// Returns the displayed id: twelve digits, or the whole name.
    pub fn id(&self) -> &[u8] {
        let shown = if self.is_cut {
            SHORT_ID
        } else {
            self.full_id.len()
        };
        &self.full_id[..self.full_id.len().min(shown)]
    }
}

/// The part of a directory's name that identifies a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// A full id: 64 hexadecimal digits, and `.scope` or nothing after it.
    Id,
    /// A name, used unchanged.
    Name,
    /// A name escaped by systemd, of a container with its manager beside it (`supervisor`).
    Escaped,
    /// A name of letters, digits and `._-`.
    Plain,
    /// Not a container.
    Nothing,
}

/// A runtime's layout of cgroup names.
struct Layout {
    runtime: &'static str,
    /// The end of the parent directory's path.
    above: &'static str,
    before: &'static str,
    after: &'static str,
    holds: Holds,
}

const fn id(runtime: &'static str, above: &'static str, before: &'static str) -> Layout {
    Layout {
        runtime,
        above,
        before,
        after: "",
        holds: Holds::Id,
    }
}

const fn name(
    runtime: &'static str,
    above: &'static str,
    before: &'static str,
    after: &'static str,
    holds: Holds,
) -> Layout {
    Layout {
        runtime,
        above,
        before,
        after,
        holds,
    }
}

/// All layouts except [`ctr`]'s; the first one that matches a directory counts.
#[rustfmt::skip]
const LAYOUTS: &[Layout] = &[
    id("podman", "", "libpod-payload-"),
    id("podman", "", "libpod-"),
    id("docker", "", "docker-"),
    id("docker", "/docker", ""),
    id("cri-o", "", "crio-"),
    id("containerd", "", "cri-containerd-"),
    // The kubelet names slices and containerd creates directories: SLICE:cri-containerd:ID.
    id("containerd", "", ":cri-containerd:"),
    id("containerd", "", "nerdctl-"),
    id("containerd", "/default", ""),
    id("containerd", "/k8s.io", ""),
    // Directories of Kubernetes' pods, and of other users of Docker or containerd.
    id("", "", ""),
    // Before lxc, whose layout also matches.
    name("libvirt-lxc", "/libvirt/lxc", "", "", Holds::Name),
    name("lxc", "/lxc", "", "", Holds::Name),
    name("lxc", "/lxc.payload", "", "", Holds::Name),
    name("lxc", "", "lxc.payload.", "", Holds::Name),
    name("libvirt-lxc", "", "", ".libvirt-lxc", Holds::Name),
    name("libvirt-lxc", "", r"machine-lxc\x2d", ".scope", Holds::Name),
    name("bpm", "", "bpm-", ".scope", Holds::Plain),
    name("bpm", "", "runc-bpm-", ".scope", Holds::Plain),
    // Virtual machines have scopes similar to those of containers.
    name("", "", r"machine-qemu\x2d", ".scope", Holds::Nothing),
    name("systemd-nspawn", "/machine.slice", "machine-", ".scope", Holds::Escaped),
    name("systemd-nspawn", "", "systemd-nspawn@", ".service", Holds::Escaped),
];

/// Returns the container of a thread with these cgroups (`subsystem=path`, each followed by a NUL); `None` = the host.
pub fn container_of(cgroups: Option<&[u8]>) -> Option<Found<'_>> {
    let cgroups = cgroups?;
    let mut before: &[u8] = b"/";
    for (_, path) in entries(cgroups) {
        // Most subsystems have the same path as the previous one.
        if path != before
            && let Some(found) = in_path(path)
        {
            return Some(found);
        }
        before = path;
    }
    ctr(cgroups)
}

/// Returns the user in whose systemd slice a thread with these cgroups is.
pub fn user_of(cgroups: &[u8]) -> Option<u32> {
    const BEFORE: &[u8] = b"/user-";
    let at = memchr::memmem::find(cgroups, BEFORE)? + BEFORE.len();
    let digits = cgroups[at..].iter().take_while(|b| b.is_ascii_digit());
    let end = at + digits.count();
    let rest = cgroups[end..].strip_prefix(b".slice")?;
    let is_whole = rest.first().is_none_or(|b| matches!(b, b'/' | 0));
    let number = std::str::from_utf8(&cgroups[at..end]).ok()?;
    number.parse().ok().filter(|_| is_whole)
}

/// Normalises the names of cgroup subsystems, some of which differ between recorders
/// (falcosecurity libs: `threadinfo.cpp`, `set_cgroups`). `None`: they are normalised already.
pub(in crate::state) fn normalised(cgroups: &[u8]) -> Option<Vec<u8>> {
    const RENAMED: [(&[u8], &[u8]); 3] = [
        (b"io", b"blkio"),
        (b"mem", b"memory"),
        (b"perf", b"perf_event"),
    ];
    const SUFFIX: &[u8] = b"_cgroup";
    fn renamed(name: &[u8]) -> Option<&[u8]> {
        let stem = name.strip_suffix(SUFFIX).unwrap_or(name);
        let new = RENAMED.iter().find(|(old, _)| *old == stem);
        let new = new.map_or(stem, |(_, new)| new);
        (new != name).then_some(new)
    }
    let name = |entry: &'_ [u8]| memchr::memchr(b'=', entry).unwrap_or(entry.len());
    let entries = || cgroups.split(|b| *b == 0);
    if !entries().any(|entry| renamed(&entry[..name(entry)]).is_some()) {
        return None;
    }
    let mut out = Vec::with_capacity(cgroups.len() + 16);
    for (index, entry) in entries().enumerate() {
        if index > 0 {
            out.push(0);
        }
        let (old, path) = entry.split_at(name(entry));
        out.extend_from_slice(renamed(old).unwrap_or(old));
        out.extend_from_slice(path);
    }
    Some(out)
}

/// Iterates over subsystems and their paths.
fn entries(cgroups: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    cgroups.split(|b| *b == 0).filter_map(|entry| {
        let at = memchr::memchr(b'=', entry)?;
        Some((&entry[..at], &entry[at + 1..]))
    })
}

/// Matches each directory of a path, the innermost first.
fn in_path(path: &[u8]) -> Option<Found<'_>> {
    let mut end = path.len();
    let mut below: &[u8] = b"";
    while let Some(slash) = memchr::memrchr(b'/', &path[..end]) {
        let directory = &path[slash + 1..end];
        if !directory.is_empty()
            && let Some((layout, found)) = matched(&path[..slash], directory)
        {
            let is_outside = match layout.holds {
                Holds::Nothing => true,
                Holds::Escaped => below == b"supervisor",
                _ => false,
            };
            // Any container further out is the one that this one was started in.
            return (!is_outside).then_some(found);
        }
        (below, end) = (directory, slash);
    }
    None
}

fn matched<'a>(above: &[u8], directory: &'a [u8]) -> Option<(&'static Layout, Found<'a>)> {
    let by_id = split_id(directory);
    let fits = |layout: &Layout| {
        let before = layout.before.as_bytes();
        let is_there = || ends(above, layout.above.as_bytes());
        if layout.holds == Holds::Id {
            let (front, id) = by_id?;
            let is_it = front == before || (before.starts_with(b":") && front.ends_with(before));
            return (is_it && is_there()).then_some(Cow::Borrowed(id));
        }
        let name = between(directory, before, layout.after.as_bytes())?;
        let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
        match layout.holds {
            _ if name.is_empty() || !is_there() => None,
            Holds::Plain if !name.iter().all(is_plain) => None,
            Holds::Escaped => Some(unescaped(name)),
            _ => Some(Cow::Borrowed(name)),
        }
    };
    LAYOUTS.iter().find_map(|layout| {
        let found = Found {
            full_id: fits(layout)?,
            runtime: Some(layout.runtime).filter(|name| !name.is_empty()),
            is_cut: layout.holds == Holds::Id,
        };
        Some((layout, found))
    })
}

/// Whether a text ends with another one. Comparing the last byte first decides nearly always and avoids a call of
/// `memcmp`; the other text is often empty.
fn ends(text: &[u8], with: &[u8]) -> bool {
    let pairs = text.iter().rev().zip(with.iter().rev());
    text.len() >= with.len() && pairs.into_iter().all(|(a, b)| a == b)
}

/// Returns the text between a prefix and a suffix.
fn between<'a>(text: &'a [u8], before: &[u8], after: &[u8]) -> Option<&'a [u8]> {
    let begins = text.iter().zip(before).all(|(a, b)| a == b);
    let end = text.len().checked_sub(after.len())?;
    let inside = text.get(before.len()..end)?;
    (begins && ends(text, after)).then_some(inside)
}

/// Splits a directory's name into the part before a full id, and the id.
fn split_id(directory: &[u8]) -> Option<(&[u8], &[u8])> {
    let stem = directory.strip_suffix(b".scope").unwrap_or(directory);
    let (front, id) = stem.split_at_checked(stem.len().checked_sub(FULL_ID)?)?;
    id.iter().all(u8::is_ascii_hexdigit).then_some((front, id))
}

/// Resolves escapes such as `\x2d` in the name of a systemd unit.
fn unescaped(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.contains(&b'\\') {
        return Cow::Borrowed(name);
    }
    let hex = |digit: Option<&u8>| char::from(*digit?).to_digit(16);
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, more @ ..] = rest {
        rest = more;
        if let (b'\\', Some(b'x'), Some(high), Some(low)) =
            (*first, more.first(), hex(more.get(1)), hex(more.get(2)))
            && let Ok(byte) = u8::try_from(high << 4 | low)
        {
            out.push(byte);
            rest = &more[3..];
        } else {
            out.push(*first);
        }
    }
    Cow::Owned(out)
}

/// Subsystems that every recorder reports and of which a runtime uses all. `cpuacct` is not among them: the
/// unified hierarchy lacks it, and recorders write `/` for it.
const MANAGED: [&[u8]; 5] = [b"cpuset", b"cpu", b"blkio", b"io", b"memory"];

/// Directories at the root that are not namespaces of containerd: of other runtimes, Kubernetes, job schedulers and
/// cloud agents.
const TAKEN: [&[u8]; 16] = [
    b"apps",
    b"docker",
    b"ecs",
    b"htcondor",
    b"init",
    b"kubelet",
    b"kubepods",
    b"libpod_parent",
    b"libvirt",
    b"lxc",
    b"lxc.monitor",
    b"machine",
    b"slurm",
    b"system",
    b"user",
    b"yarn",
];

/// containerd by itself (`ctr run`), BuildKit and other users of its API put a container with an id of any form into
/// `/NAMESPACE/ID`.
///
/// Any cgroup can have such a path. Three conditions distinguish a runtime from an administrator or a job
/// scheduler: its containers are at the root, they are in a cgroup of every subsystem (an administrator creates one
/// for the memory, say), and no part of the path is a unit of systemd, which owns the tree where it runs.
fn ctr(cgroups: &[u8]) -> Option<Found<'_>> {
    let is_managed = |name: &[u8]| MANAGED.contains(&name);
    // The unified hierarchy has a single entry, without a name.
    let knows_managed = entries(cgroups).any(|(name, _)| is_managed(name));
    let mut found = None;
    for (name, path) in entries(cgroups) {
        if is_managed(name) || (!knows_managed && name.is_empty()) {
            let here = namespace_and_id(path)?;
            if *found.get_or_insert(here) != here {
                return None;
            }
        }
    }
    let (_, id) = found?;
    Some(Found {
        full_id: Cow::Borrowed(id),
        runtime: Some("containerd"),
        is_cut: true,
    })
}

/// Splits `/NAMESPACE/ID`, possibly followed by more.
fn namespace_and_id(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = path.strip_prefix(b"/")?.split(|b| *b == b'/');
    let (namespace, id) = (parts.next()?, parts.next()?);
    let is_unit = |name: &[u8]| {
        [&b".service"[..], b".slice", b".scope"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    // Android has processes in /uid_N/pid_N, and Slurm has similar paths for jobs.
    let is_user = |name: &[u8]| name.starts_with(b"uid_");
    let fits = is_identifier(namespace)
        && is_identifier(id)
        && !TAKEN.contains(&namespace)
        && ![namespace, id]
            .into_iter()
            .any(|name| is_unit(name) || is_user(name));
    fits.then_some((namespace, id))
}

/// Whether a text is valid as containerd's namespace or id: letters and digits, with single `._-` between them.
fn is_identifier(text: &[u8]) -> bool {
    const LONGEST: usize = 76;
    let runs = || text.split(|b| b"._-".contains(b));
    text.len() <= LONGEST
        && runs().all(|run| !run.is_empty() && run.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests;
