//! Copies without secrets, payload and names: `scap redact`.
//!
//! Everything that [`super::NativeSink`] writes passes through a [`Redaction`]: header, states, events, descriptions of
//! containers. What a value is follows from its type in the schema and the name of its parameter, never from a list
//! of events; what the schema does not describe is left out.

mod capture;
mod json;
mod names;
mod secrets;
mod values;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use hashbrown::HashMap;
use regex::bytes::{Captures, Regex};

use crate::event::glob::Glob;
use names::Names;

/// Texts whose replacement is remembered.
const KNOWN: usize = 1 << 14;
/// Longest text whose replacement is remembered.
const KNOWN_LEN: usize = 1024;
/// Most names of users that are looked for in other texts.
const WORDS: usize = 1 << 16;
/// Shortest name that is looked for in other texts.
const WORD: usize = 3;

/// Names of users that every system has.
const SYSTEM_USERS: &[&[u8]] = &[
    b"root",
    b"daemon",
    b"bin",
    b"sys",
    b"sync",
    b"games",
    b"man",
    b"mail",
    b"news",
    b"proxy",
    b"www-data",
    b"backup",
    b"list",
    b"irc",
    b"nobody",
    b"nogroup",
    b"sshd",
    b"systemd-network",
    b"systemd-resolve",
    b"messagebus",
    b"adm",
    b"tty",
    b"disk",
    b"audio",
    b"video",
    b"users",
    b"sudo",
    b"wheel",
    b"staff",
    b"shadow",
    b"utmp",
    b"kmem",
];

bitflags::bitflags! {
    /// What gets pseudonyms.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Class: u16 {
        /// Paths, and names of programs.
        const PATHS = 1;
        /// Arguments of programs.
        const ARGS = 2;
        /// The values of environment variables, which are dropped otherwise.
        const ENV = 4;
        /// IP addresses.
        const IPS = 8;
        /// Names of users and groups.
        const USERS = 16;
        /// Names of machines.
        const HOSTS = 32;
        /// Containers: ids, names, images.
        const CONTAINERS = 64;
    }
}

/// What is done.
#[derive(Clone, Debug, Default)]
pub struct RedactionSettings {
    /// Drop payload and environments.
    pub drops: bool,
    /// What gets pseudonyms.
    pub hash: Class,
    /// The key of the pseudonyms.
    pub key: [u8; 32],
    /// What keeps its name.
    pub keep: Vec<Glob>,
}

/// What was changed. A text that occurs often can be counted once.
#[derive(Clone, Debug, Default)]
pub struct RedactionCounts {
    /// Payloads that were dropped, and their bytes.
    pub data: u64,
    /// Bytes of these.
    pub data_bytes: u64,
    /// Environments that were dropped.
    pub environments: u64,
    /// Secrets by kind.
    pub secrets: BTreeMap<&'static str, u64>,
    /// Pseudonyms by what they are for.
    pub pseudonyms: BTreeMap<&'static str, u64>,
    /// What was left out, since nothing is known about it.
    pub left_out: BTreeMap<&'static str, u64>,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Path,
    Program,
    Args,
    Env,
    Cgroups,
    Container,
    User,
    /// The name of an fd that is not a file.
    FdName,
    UnixName,
    /// Any other text.
    Text,
    /// Payload.
    Data,
}

/// Redacts what is written.
pub struct Redaction {
    drops: bool,
    hash: Class,
    names: Names,
    counts: RedactionCounts,
    known: HashMap<(Kind, Vec<u8>), Vec<u8>>,
    /// Names of users and machines, which are found in other texts, too.
    words: HashMap<Vec<u8>, Vec<u8>>,
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

static IPS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u)[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*|[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
        .ok()
});
static PATHS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?-u)[^\s'"=;,<>()|&:\x00]*/[^\s'"=;,<>()|&:\x00]*"#).ok());
static WORD_RUNS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u)[0-9A-Za-z_.\x80-\xff-]+").ok());
static HEX_IDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u)[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{12,}").ok()
});

impl Redaction {
    /// Makes a redaction.
    pub fn new(settings: RedactionSettings) -> Self {
        Self {
            drops: settings.drops,
            hash: settings.hash,
            names: Names::new(settings.key, settings.keep),
            counts: RedactionCounts::default(),
            known: HashMap::new(),
            words: HashMap::new(),
            lens: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Returns what was changed.
    pub fn counts(&self) -> &RedactionCounts {
        &self.counts
    }

    fn hashes(&self, class: Class) -> bool {
        self.hash.intersects(class)
    }

    /// Whether texts that can have anything in them are not kept.
    fn is_strict(&self) -> bool {
        self.drops || !self.hash.is_empty()
    }

    fn note(&mut self, what: &'static str) {
        *self.counts.pseudonyms.entry(what).or_default() += 1;
    }

    /// Returns what stands for a text.
    fn text(&mut self, kind: Kind, text: &[u8]) -> Vec<u8> {
        match kind {
            _ if text.is_empty() => return Vec::new(),
            Kind::Data if self.is_strict() => {
                self.counts.data += 1;
                self.counts.data_bytes += text.len() as u64;
                return Vec::new();
            }
            Kind::Env if self.drops && !self.hashes(Class::ENV) => {
                self.counts.environments += 1;
                return Vec::new();
            }
            _ => {}
        }
        let key = (kind, text.to_vec());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let new = self.replaced(kind, text);
        if text.len() <= KNOWN_LEN {
            if self.known.len() >= KNOWN {
                self.known.clear();
            }
            self.known.insert(key, new.clone());
        }
        new
    }

    fn replaced(&mut self, kind: Kind, text: &[u8]) -> Vec<u8> {
        let found = &mut self.counts.secrets;
        let clean = secrets::replace(text, |what| *found.entry(what).or_default() += 1);
        let hash = self.hash;
        let has = |class: Class| hash.intersects(class);
        let (what, new) = match kind {
            Kind::Path if has(Class::PATHS) => ("paths", self.names.path(&clean)),
            Kind::Program if has(Class::PATHS) => ("programs", self.names.program(&clean)),
            Kind::UnixName if has(Class::PATHS) => {
                let path = clean
                    .iter()
                    .rposition(|byte| *byte == b' ')
                    .map_or(0, |at| at + 1);
                let (ends, path) = clean.split_at(path);
                ("paths", [ends, &self.names.path(path)].concat())
            }
            Kind::Args if has(Class::ARGS) => ("arguments", self.each(&clean, Self::argument)),
            Kind::Args if has(Class::PATHS) => {
                let args = self.each(&clean, |own, arg| match arg {
                    [b'/' | b'.' | b'~', ..] => own.names.path(arg),
                    _ => arg.to_vec(),
                });
                ("paths in arguments", self.embedded(&args))
            }
            Kind::Env if has(Class::ENV) => ("environments", self.each(&clean, Self::variable)),
            Kind::User if has(Class::USERS) && !SYSTEM_USERS.contains(&&*clean) => {
                ("users", self.names.name(&clean))
            }
            Kind::Container if has(Class::CONTAINERS) => ("containers", self.container(&clean)),
            Kind::Cgroups if has(Class::CONTAINERS | Class::PATHS) => {
                ("cgroups", self.each(&clean, Self::cgroup))
            }
            Kind::FdName if is_kernel_name(&clean) => return clean.into_owned(),
            Kind::FdName if has(Class::PATHS) => ("fds", self.names.name(&clean)),
            _ => {
                let new = self.embedded(&clean);
                ("parts of texts", new)
            }
        };
        if new != *clean {
            self.note(what);
        }
        // Names of users and machines are not to be found anywhere.
        match kind {
            Kind::Args | Kind::Path | Kind::Program | Kind::UnixName | Kind::Cgroups => {
                self.without_words(&new)
            }
            _ => new,
        }
    }

    /// Changes each text of a list with a NUL after each.
    fn each(
        &mut self,
        list: &[u8],
        mut change: impl FnMut(&mut Self, &[u8]) -> Vec<u8>,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(list.len());
        for (number, text) in list.split(|byte| *byte == 0).enumerate() {
            if number > 0 {
                out.push(0);
            }
            out.extend(change(self, text));
        }
        out
    }

    /// Returns an argument: options stay, their values do not.
    fn argument(&mut self, arg: &[u8]) -> Vec<u8> {
        if arg == secrets::REDACTED || self.names.keeps(arg) {
            return arg.to_vec();
        }
        let dashes = arg.iter().take_while(|byte| **byte == b'-').count().min(2);
        if dashes > 0 {
            let name = arg[dashes..]
                .iter()
                .take_while(|byte| byte.is_ascii_lowercase() || **byte == b'-')
                .count();
            // `-pX` and `-DX=1` have their value behind the letter.
            let name = if dashes == 1 {
                arg[1..].len().min(1)
            } else {
                name
            };
            let (option, value) = arg.split_at(dashes + name);
            let (mark, value) = match value.strip_prefix(b"=") {
                Some(value) => (&b"="[..], value),
                None => (&b""[..], value),
            };
            return [option, mark, &self.argument_value(value)].concat();
        }
        self.argument_value(arg)
    }

    fn argument_value(&mut self, value: &[u8]) -> Vec<u8> {
        match value {
            b"" => Vec::new(),
            _ if value.contains(&b'/') && !value.contains(&b':') && !value.contains(&b' ') => {
                self.names.path(value)
            }
            _ => match std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
            {
                Some(std::net::IpAddr::V4(ip)) => self.names.ipv4(ip).to_string().into_bytes(),
                Some(std::net::IpAddr::V6(ip)) => self.names.ipv6(ip).to_string().into_bytes(),
                None => self.names.name(value),
            },
        }
    }

    fn variable(&mut self, variable: &[u8]) -> Vec<u8> {
        match variable.iter().position(|byte| *byte == b'=') {
            _ if self.names.keeps(variable) => variable.to_vec(),
            Some(at) => [&variable[..=at], &self.argument_value(&variable[at + 1..])].concat(),
            None => self.names.name(variable),
        }
    }

    /// Returns an id, a name or an image of a container.
    fn container(&mut self, text: &[u8]) -> Vec<u8> {
        if self.names.keeps(text) {
            return text.to_vec();
        }
        let is_hex = text.len() >= 12
            && text
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex {
            return self.names.hexadecimal(text);
        }
        let mut out = Vec::new();
        for part in text.split_inclusive(|byte| matches!(byte, b'/' | b':' | b'@')) {
            let (name, mark) = match part.split_last() {
                Some((mark @ (b'/' | b':' | b'@'), name)) => (name, std::slice::from_ref(mark)),
                _ => (part, &[][..]),
            };
            out.extend(self.names.name(name));
            out.extend_from_slice(mark);
        }
        out
    }

    /// Returns a cgroup: what names the runtime stays, so that the container is still recognised.
    fn cgroup(&mut self, cgroup: &[u8]) -> Vec<u8> {
        let start = cgroup
            .iter()
            .position(|byte| *byte == b'/')
            .unwrap_or(cgroup.len());
        let (subsystem, path) = cgroup.split_at(start);
        let mut out = subsystem.to_vec();
        for (number, part) in path.split(|byte| *byte == b'/').enumerate() {
            if number > 0 {
                out.push(b'/');
            }
            let ids = HEX_IDS
                .as_ref()
                .map(|ids| ids.replace_all(part, &b"\x01"[..]).into_owned());
            let frame = ids.unwrap_or_else(|| part.to_vec());
            let is_known = frame
                .split(|byte| matches!(byte, b'-' | b'.' | b'\x01' | b'_'))
                .all(|word| {
                    const WORDS: &[&[u8]] = &[
                        b"",
                        b"docker",
                        b"cri",
                        b"crio",
                        b"containerd",
                        b"libpod",
                        b"kubepods",
                        b"besteffort",
                        b"burstable",
                        b"guaranteed",
                        b"pod",
                        b"podman",
                        b"slice",
                        b"scope",
                        b"service",
                        b"user",
                        b"system",
                        b"machine",
                        b"session",
                        b"init",
                        b"app",
                        b"payload",
                        b"lxc",
                        b"conmon",
                        b"nspawn",
                        b"garden",
                    ];
                    WORDS.contains(&word) || word.len() <= 6 && word.iter().all(u8::is_ascii_digit)
                });
            let part = match is_known {
                true => part.to_vec(),
                false => self.names.name(part),
            };
            out.extend(
                match (&*HEX_IDS, self.hashes(Class::CONTAINERS) && is_known) {
                    (Some(ids), true) => ids
                        .replace_all(&part, |found: &Captures<'_>| {
                            self.names.hexadecimal(&found[0])
                        })
                        .into_owned(),
                    _ => part,
                },
            );
        }
        out
    }

    /// Replaces what is found in a text: addresses, paths, names.
    fn embedded(&mut self, text: &[u8]) -> Vec<u8> {
        let mut text = Cow::Borrowed(text);
        let names = &self.names;
        if self.hash.contains(Class::PATHS)
            && let Some(paths) = &*PATHS
        {
            let new = paths.replace_all(&text, |found: &Captures<'_>| names.path(&found[0]));
            text = Cow::Owned(new.into_owned());
        }
        if self.hash.contains(Class::IPS)
            && let Some(ips) = &*IPS
        {
            let new = ips.replace_all(&text, |found: &Captures<'_>| {
                let ip = std::str::from_utf8(&found[0])
                    .ok()
                    .and_then(|text| text.parse().ok());
                match ip {
                    Some(std::net::IpAddr::V4(ip)) => names.ipv4(ip).to_string().into_bytes(),
                    Some(std::net::IpAddr::V6(ip)) => names.ipv6(ip).to_string().into_bytes(),
                    None => found[0].to_vec(),
                }
            });
            text = Cow::Owned(new.into_owned());
        }
        if self.hash.contains(Class::CONTAINERS)
            && let Some(ids) = &*HEX_IDS
        {
            let new = ids.replace_all(&text, |found: &Captures<'_>| names.hexadecimal(&found[0]));
            text = Cow::Owned(new.into_owned());
        }
        self.without_words(&text)
    }

    /// Replaces names of users and machines in a text.
    fn without_words(&self, text: &[u8]) -> Vec<u8> {
        let Some(runs) = WORD_RUNS.as_ref().filter(|_| !self.words.is_empty()) else {
            return text.to_vec();
        };
        let new = runs.replace_all(text, |found: &Captures<'_>| {
            let run = &found[0];
            if let Some(new) = self.words.get(run) {
                return new.clone();
            }
            let mut out = Vec::with_capacity(run.len());
            for part in run.split_inclusive(|byte| matches!(byte, b'.' | b'-' | b'_')) {
                let (word, mark) = match part.split_last() {
                    Some((mark @ (b'.' | b'-' | b'_'), word)) => (word, std::slice::from_ref(mark)),
                    _ => (part, &[][..]),
                };
                out.extend_from_slice(self.words.get(word).map_or(word, Vec::as_slice));
                out.extend_from_slice(mark);
            }
            out
        });
        new.into_owned()
    }

    /// Looks for a name in all texts from now on.
    fn add_word(&mut self, word: &[u8]) {
        let is_system = SYSTEM_USERS.contains(&word);
        if word.len() >= WORD
            && !is_system
            && self.words.len() < WORDS
            && !self.words.contains_key(word)
        {
            let new = self.names.name(word);
            self.words.insert(word.to_vec(), new);
            // What was replaced before can have the name in it.
            self.known.clear();
        }
    }
}

/// Whether the kernel has given a name: `pipe:[1]`, `[eventfd]`, `anon_inode:[io_uring]`.
fn is_kernel_name(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"anon_inode:").unwrap_or(name);
    let Some(at) = name.iter().position(|byte| *byte == b'[') else {
        return name.len() < 24 && name.iter().all(u8::is_ascii_lowercase);
    };
    let is_word = |text: &[u8]| {
        text.iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte))
    };
    let inner = &name[at + 1..];
    is_word(name[..at].strip_suffix(b":").unwrap_or(&name[..at]))
        && inner
            .strip_suffix(b"]")
            .is_some_and(|inner| inner.len() < 24 && is_word(inner))
}
