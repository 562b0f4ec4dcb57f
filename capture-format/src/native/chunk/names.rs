//! Names in a chunk: fingerprints, by which a reader finds out that a name does not occur. Those of the events' threads are in the
//! chunk's summary; those of what the events are about are collected for a [section](crate::native::names) of their own.

use std::hash::BuildHasher as _;
use std::net::IpAddr;

use hashbrown::{DefaultHashBuilder, HashSet};

use super::head::ChunkSummary;
use crate::native::names::RunNames;
use crate::native::varint;

/// Number of the entry in the summary's `extra`.
const EXTRA: u32 = 2;

/// The first byte of the entry. Another one is needed as soon as a later writer or reader derives other names from the same
/// events: readers ignore entries of other schemes.
const SCHEME: u8 = 1;

/// Most names of the threads of a chunk; with more there is no entry.
const MOST: usize = 2048;

/// Most names of what the events of a chunk are about; with more they are not collected.
const MOST_OBJECTS: usize = 1 << 15;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A thread.
    Thread = 0,
    /// The executable of its process, with its path.
    Executable = 1,
    /// Its container, as displayed; `host` outside of containers.
    Container = 2,
    /// The path of a file, or of a directory above it: each of its parts after one slash, also the first.
    Path = 3,
    /// The last part of a path.
    FileName = 4,
    /// The IP address of an end of the event's connection: 4 or 16 bytes.
    Address = 5,
    /// The port of its server end: two bytes, little-endian.
    ServerPort = 6,
}

impl NameKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Thread,
        Self::Executable,
        Self::Container,
        Self::Path,
        Self::FileName,
        Self::Address,
        Self::ServerPort,
    ];
    const OF_THREADS: [Self; 3] = [Self::Thread, Self::Executable, Self::Container];

    /// Returns the fingerprint of a name: the CRC-32 of the number of its kind, as one byte, and the name.
    pub fn fingerprint(self, name: &[u8]) -> u32 {
        let mut hasher = self.hasher();
        hasher.update(name);
        hasher.finalize()
    }

    fn hasher(self) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[self as u8]);
        hasher
    }

    /// Whether the name is one of what events are about, so that it is in a [`NameReport`](crate::native::NameReport), and not in the summary of the chunk.
    pub fn is_in_runs(self) -> bool {
        !Self::OF_THREADS.contains(&self)
    }

    /// Returns the fingerprint of a path, or of a directory above others; `None` for the root, which is above all.
    pub fn of_path(path: &[u8]) -> Option<u32> {
        let mut hasher = Self::Path.hasher();
        let mut is_root = true;
        for part in components(path) {
            hasher.update(b"/");
            hasher.update(part);
            is_root = false;
        }
        (!is_root).then(|| hasher.finalize())
    }

    /// Returns the fingerprint of an IP address.
    pub fn of_address(address: IpAddr) -> u32 {
        match address {
            IpAddr::V4(v4) => Self::Address.fingerprint(&v4.octets()),
            IpAddr::V6(v6) => Self::Address.fingerprint(&v6.octets()),
        }
    }

    /// Returns the fingerprint of the port of a server end.
    pub fn of_server_port(port: u16) -> u32 {
        Self::ServerPort.fingerprint(&port.to_le_bytes())
    }
}

/// The names of an event's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names<'a> {
    /// A reader can know some that the writer does not.
    Unknown,
    /// The event has no thread.
    None,
    /// By [`NameKind`]; `None` = it has none of the kind.
    Some([Option<&'a [u8]>; 3]),
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objects<'a> {
    /// A reader can know some that the writer does not.
    Unknown,
    /// These.
    Known {
        /// Paths of files.
        paths: [Option<&'a [u8]>; 3],
        /// The addresses of both ends of a connection, or that of a listening socket.
        addresses: [Option<IpAddr>; 2],
        /// The port of the server end.
        server_port: Option<u16>,
    },
}

impl Objects<'_> {
    /// Nothing with a name.
    pub const NONE: Self = Self::Known {
        paths: [None; 3],
        addresses: [None; 2],
        server_port: None,
    };
}

/// All names of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventNames<'a> {
    /// Its thread's.
    pub thread: Names<'a>,
    /// Those of what it is about.
    pub objects: Objects<'a>,
}

impl EventNames<'_> {
    /// A reader can know more than the writer.
    pub const UNKNOWN: Self = Self {
        thread: Names::Unknown,
        objects: Objects::Unknown,
    };
}

/// Returns the parts of a path between slashes.
fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
}

/// The fingerprints of a set while its chunk is being written.
#[derive(Debug, Default)]
struct Fingerprints {
    all: HashSet<u32>,
    is_unknown: bool,
}

impl Fingerprints {
    fn clear(&mut self) {
        self.all.clear();
        self.is_unknown = false;
    }

    fn add(&mut self, fingerprint: u32, most: usize) {
        if self.all.len() < most || self.all.contains(&fingerprint) {
            self.all.insert(fingerprint);
        } else {
            self.is_unknown = true;
        }
    }

    fn sorted(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.all.iter().copied().collect();
        all.sort_unstable();
        all
    }
}

/// Iterates over the fingerprints of the summary's entry; `None` at the end if the entry is wrong. No entry: nothing at all.
fn stored(summary: &ChunkSummary) -> Option<impl Iterator<Item = Option<u32>>> {
    let mut entries = summary.extra.iter();
    let (_, entry) = entries.find(|(number, _)| *number == EXTRA)?;
    let (_, mut rest) = entry
        .split_first()
        .filter(|(scheme, _)| **scheme == SCHEME)?;
    let mut last = 0_u32;
    Some(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let step = varint::take(&mut rest).and_then(|step| u32::try_from(step).ok());
        let next = step.and_then(|step| last.checked_add(step));
        match next {
            Some(next) => last = next,
            None => rest = &[],
        }
        Some(next)
    }))
}

/// Returns false if no event of a chunk that is not hidden is of a thread with one of the names.
pub(super) fn may_have_thread(summary: &ChunkSummary, fingerprints: &[u32]) -> bool {
    let is_wanted =
        |one: Option<u32>| one.is_none_or(|one| fingerprints.binary_search(&one).is_ok());
    stored(summary).is_none_or(|mut stored| stored.any(is_wanted))
}

/// Collects the names of a chunk.
#[derive(Debug, Default)]
pub(super) struct NameSet {
    threads: Fingerprints,
    objects: Fingerprints,
    /// The names of the last event with a thread, which mostly are those of the next one as well.
    last: [Option<Vec<u8>>; 3],
    /// What the last events with such things were about.
    last_addresses: [Option<IpAddr>; 2],
    /// Hashes of the paths that were added.
    paths: HashSet<u64>,
    hasher: DefaultHashBuilder,
}

impl NameSet {
    pub(super) fn clear(&mut self) {
        self.threads.clear();
        self.objects.clear();
        self.last = [None, None, None];
        self.last_addresses = [None; 2];
        self.paths.clear();
    }

    #[inline]
    pub(super) fn add(&mut self, names: EventNames<'_>) {
        match names.thread {
            Names::Some(names) => self.add_thread(names),
            Names::None => {}
            Names::Unknown => self.threads.is_unknown = true,
        }
        match names.objects {
            Objects::Known {
                paths,
                addresses,
                server_port,
            } => {
                paths.iter().flatten().for_each(|path| self.add_path(path));
                self.add_connection(addresses, server_port);
            }
            Objects::Unknown => self.objects.is_unknown = true,
        }
    }

    fn add_thread(&mut self, names: [Option<&[u8]>; 3]) {
        let kinds = NameKind::OF_THREADS.iter();
        for (kind, (name, last)) in kinds.zip(names.iter().zip(&mut self.last)) {
            let Some(name) = *name else {
                continue;
            };
            if last.as_deref() == Some(name) {
                continue;
            }
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(name);
            self.threads.add(kind.fingerprint(name), MOST);
        }
    }

    fn add_path(&mut self, path: &[u8]) {
        if self.objects.is_unknown || !self.paths.insert(self.hasher.hash_one(path)) {
            return;
        }
        let mut hasher = NameKind::Path.hasher();
        let mut last = None;
        for part in components(path) {
            hasher.update(b"/");
            hasher.update(part);
            self.objects.add(hasher.clone().finalize(), MOST_OBJECTS);
            last = Some(part);
        }
        if let Some(name) = last {
            let name = NameKind::FileName.fingerprint(name);
            self.objects.add(name, MOST_OBJECTS);
        }
    }

    fn add_connection(&mut self, addresses: [Option<IpAddr>; 2], server_port: Option<u16>) {
        if addresses != self.last_addresses {
            self.last_addresses = addresses;
            for address in addresses.into_iter().flatten() {
                self.objects
                    .add(NameKind::of_address(address), MOST_OBJECTS);
            }
        }
        if let Some(port) = server_port {
            self.objects
                .add(NameKind::of_server_port(port), MOST_OBJECTS);
        }
    }

    /// Returns the entry of the summary; `None` if a name can be missing.
    pub(super) fn entry(&self) -> Option<(u32, Vec<u8>)> {
        if self.threads.is_unknown {
            return None;
        }
        let mut out = vec![SCHEME];
        let mut last = 0;
        for fingerprint in self.threads.sorted() {
            varint::push(&mut out, u64::from(fingerprint.saturating_sub(last)));
            last = fingerprint;
        }
        Some((EXTRA, out))
    }

    /// Returns the names of what the events are about; `None` if one can be missing.
    pub(super) fn objects(&self) -> Option<&HashSet<u32>> {
        (!self.objects.is_unknown).then_some(&self.objects.all)
    }
}

/// The names in a chunk, for a comparison with what the capture says of them.
#[derive(Debug, Default)]
pub struct ChunkNames(NameSet);

impl ChunkNames {
    /// Adds the names of an event that is not hidden, if they are known.
    pub fn add(&mut self, names: EventNames<'_>) {
        if names.thread != Names::Unknown && names.objects != Objects::Unknown {
            self.0.add(names);
        }
    }

    /// Forgets the names.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns false if one of the names does not occur according to the chunk's summary, or to the section of its run, if there
    /// is one.
    pub fn are_in(&self, summary: &ChunkSummary, run: Option<&RunNames>) -> bool {
        let NameSet {
            threads, objects, ..
        } = &self.0;
        let has_threads = stored(summary).is_none_or(|stored| {
            let mut stored: Vec<Option<u32>> = stored.collect();
            let is_wrong = stored.pop_if(|last| last.is_none()).is_some();
            let all = || threads.all.iter();
            is_wrong
                || !threads.is_unknown && all().all(|one| stored.binary_search(&Some(*one)).is_ok())
        });
        let has_objects = run
            .filter(|run| run.covers(summary))
            .is_none_or(|run| !objects.is_unknown && run.has_all(objects.all.iter().copied()));
        has_threads && has_objects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(comm: &str) -> EventNames<'_> {
        EventNames {
            thread: Names::Some([Some(comm.as_bytes()), Some(b"/bin/x"), None]),
            objects: Objects::NONE,
        }
    }

    fn about(path: &str) -> EventNames<'_> {
        EventNames {
            thread: Names::None,
            objects: Objects::Known {
                paths: [Some(path.as_bytes()), None, None],
                addresses: [Some([10, 0, 0, 1].into()), None],
                server_port: Some(443),
            },
        }
    }

    /// Whether a chunk with these names of threads may have one.
    fn has(set: &NameSet, kind: NameKind, name: &[u8]) -> bool {
        let summary = ChunkSummary {
            extra: set.entry().into_iter().collect(),
            ..ChunkSummary::default()
        };
        summary.may_have_name(kind, &[kind.fingerprint(name)])
    }

    #[test]
    fn names_of_threads_come_back() {
        let mut set = NameSet::default();
        let none = EventNames {
            thread: Names::None,
            ..of("")
        };
        for name in [of("a"), of("b"), none, of("a"), of("")] {
            set.add(name);
        }
        assert_eq!(set.threads.all.len(), 4);
        for name in ["a", "b", ""] {
            assert!(has(&set, NameKind::Thread, name.as_bytes()));
        }
        assert!(has(&set, NameKind::Executable, b"/bin/x"));
        assert!(!has(&set, NameKind::Thread, b"/bin/x"));
        assert!(!has(&set, NameKind::Container, b"host"));
        assert!(has(&set, NameKind::Path, b"/bin/x"), "not in the summary");
        set.clear();
        set.add(of("c"));
        assert!(!has(&set, NameKind::Thread, b"a"));
    }

    #[test]
    fn what_events_are_about_is_collected() {
        let mut set = NameSet::default();
        for path in ["/etc//ssl/certs/ca.pem", "/", "/tmp/", "relative/one"] {
            set.add(about(path));
        }
        let objects = set.objects().unwrap();
        let has_path = |path: &str| objects.contains(&NameKind::of_path(path.as_bytes()).unwrap());
        for path in [
            "/etc",
            "/etc/ssl",
            "/etc//ssl/certs/",
            "/etc/ssl/certs/ca.pem",
            "/tmp",
            "relative",
            "/relative/one",
        ] {
            assert!(has_path(path), "{path}");
        }
        for path in ["/ssl", "/e", "/etc/ssl/certs/ca", "/one", "/etcssl"] {
            assert!(!has_path(path), "{path}");
        }
        assert_eq!(NameKind::of_path(b"//"), None);
        let has = |kind: NameKind, name: &[u8]| objects.contains(&kind.fingerprint(name));
        assert!(has(NameKind::FileName, b"ca.pem") && has(NameKind::FileName, b"one"));
        assert!(!has(NameKind::FileName, b"certs"));
        assert!(has(NameKind::Address, &[10, 0, 0, 1]));
        assert!(!has(NameKind::Address, &[10, 0, 0, 2]));
        assert!(has(NameKind::ServerPort, &443_u16.to_le_bytes()));
        assert!(!has(NameKind::ServerPort, &80_u16.to_le_bytes()));
    }

    #[test]
    fn what_is_not_known_is_not_there() {
        let mut set = NameSet::default();
        set.add(EventNames::UNKNOWN);
        assert!(set.entry().is_none() && set.objects().is_none());
        set.clear();
        for number in 0..MOST {
            set.add(of(&number.to_string()));
        }
        assert!(set.entry().is_none() && set.objects().is_some());
        set.clear();
        for number in 0..MOST_OBJECTS {
            set.add(about(&format!("/x/{number}")));
        }
        assert!(set.entry().is_some() && set.objects().is_none());
        for entry in [
            &[][..],
            &[2, 1],
            &[1, 0x80],
            &[1, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ] {
            let summary = ChunkSummary {
                extra: vec![(EXTRA, entry.to_vec())],
                ..ChunkSummary::default()
            };
            assert!(summary.may_have_name(NameKind::Thread, &[7]), "{entry:?}");
        }
    }

    #[test]
    fn a_summary_that_lacks_a_name_is_found() {
        let mut names = ChunkNames::default();
        for event in [of("a"), about("/etc/passwd"), EventNames::UNKNOWN] {
            names.add(event);
        }
        let extra = |set: &NameSet| set.entry().into_iter().collect();
        let mut summary = ChunkSummary {
            events: 3,
            extra: extra(&names.0),
            ..ChunkSummary::default()
        };
        assert!(names.are_in(&summary, None));
        let report = |objects: &HashSet<u32>, summary| {
            let mut run = crate::native::names::Run::default();
            run.add(summary, Some(objects));
            RunNames::from(&run.end().unwrap())
        };
        let mut objects = names.0.objects().unwrap().clone();
        assert!(names.are_in(&summary, Some(&report(&objects, &summary))));
        objects.remove(&NameKind::of_path(b"/etc/passwd").unwrap());
        let lacking = report(&objects, &summary);
        assert!(!names.are_in(&summary, Some(&lacking)));
        summary.events = 4;
        assert!(
            names.are_in(&summary, Some(&lacking)),
            "it is of other events"
        );
        let mut other = NameSet::default();
        other.add(of("b"));
        summary.extra = extra(&other);
        assert!(!names.are_in(&summary, None));
        summary.extra.clear();
        assert!(names.are_in(&summary, None));
    }
}
