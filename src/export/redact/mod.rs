//! Copies without secrets, payload and names: `scap redact`.
//!
//! Everything that [`super::NativeSink`] writes passes through a [`Redaction`]: header, states, events, descriptions of
//! containers. What a value is follows from its type in the schema and the name of its parameter, never from a list
//! of events; what the schema does not describe is left out.

mod json;
mod names;
mod secrets;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use hashbrown::HashMap;
use regex::bytes::{Captures, Regex};
use scap_capture_format::event::{EventFlags, Params};
use scap_capture_format::limits::EVENT_BYTES;
use scap_capture_format::native::{
    ContainerDescription, Header, LossReport, MachineInfo, Origin, OriginId, Snapshot,
};
use scap_capture_format::schema::{Category, EventInfo, ParamDetail, ParamInfo, ParamType, types};

use super::edit::Edit;
use crate::event::async_event::{self, Directories, OpenFd};
use crate::event::glob::Glob;
use crate::event::net::{Endpoint, INET, INET6, UNIX};
use crate::event::{Event, EventExt as _, alert};
use crate::replay::OriginState;
use crate::state::{Rewrite, TextKind, rewrite};
use json::Document;
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

    /// Returns a cgroup: what names the runtime stays, so that the container can still be told.
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

    fn arguments(&mut self, exe: &[u8], args: &[u8]) -> Vec<u8> {
        let found = &mut self.counts.secrets;
        let args = secrets::arguments(exe, args, |what| *found.entry(what).or_default() += 1);
        self.text(Kind::Args, &args)
    }

    fn endpoint(&mut self, end: Endpoint) -> Endpoint {
        if !self.hashes(Class::IPS) {
            return end;
        }
        self.note("addresses");
        match end {
            Endpoint::V4(ip, port) => Endpoint::V4(self.names.ipv4(ip), port),
            Endpoint::V6(ip, port) => Endpoint::V6(self.names.ipv6(ip), port),
        }
    }

    /// Replaces an address of 4 or 16 bytes.
    fn octets(&mut self, address: &mut [u8]) {
        if !self.hashes(Class::IPS) {
            return;
        }
        if let Ok(old) = <[u8; 4]>::try_from(&*address) {
            address.copy_from_slice(&self.names.ipv4(old.into()).octets());
        } else if let Ok(old) = <[u8; 16]>::try_from(&*address) {
            address.copy_from_slice(&self.names.ipv6(old.into()).octets());
        } else {
            address.fill(0);
        }
    }

    /// Returns a socket address or a tuple; `ends` is how many addresses it has.
    fn socket(&mut self, value: &[u8], ends: usize) -> Vec<u8> {
        let Some((family, rest)) = value.split_first() else {
            return Vec::new();
        };
        let address = match *family {
            INET => 4,
            INET6 => 16,
            UNIX => {
                let numbers = if ends == 2 { 16 } else { 0 };
                let Some((numbers, path)) = rest.split_at_checked(numbers) else {
                    return vec![*family];
                };
                let path = self.terminated(Kind::Path, path);
                return [&[*family], numbers, &path].concat();
            }
            // What other families have is not known.
            _ => return vec![*family],
        };
        let Some(known) = rest.get(..ends * (address + 2)) else {
            return vec![*family];
        };
        let mut out = vec![*family];
        for end in known.chunks_exact(address + 2) {
            let mut end = end.to_vec();
            self.octets(&mut end[..address]);
            out.extend(end);
        }
        out
    }

    /// Returns a text with its NUL, if it has one.
    fn terminated(&mut self, kind: Kind, text: &[u8]) -> Vec<u8> {
        match text.split_last() {
            Some((0, text)) => {
                let mut new = self.text(kind, text);
                new.push(0);
                new
            }
            _ => self.text(kind, text),
        }
    }

    /// Returns the value of a parameter as it is written.
    fn param(&mut self, info: &EventInfo, param: &ParamInfo, value: &[u8]) -> Vec<u8> {
        self.value(info, param, param.ty, value)
    }

    fn value(
        &mut self,
        info: &EventInfo,
        param: &ParamInfo,
        ty: ParamType,
        value: &[u8],
    ) -> Vec<u8> {
        if let Some(len) = ty.fixed_len() {
            return match ty {
                ParamType::Ipv4Addr | ParamType::Ipv6Addr => {
                    let mut address = value.to_vec();
                    self.octets(&mut address);
                    address
                }
                // A number; other programs have longer and shorter ones.
                _ if value.len() <= len.max(8) => value.to_vec(),
                _ => self.left_out("value"),
            };
        }
        match ty {
            ParamType::FsPath | ParamType::FsRelPath => self.terminated(Kind::Path, value),
            ParamType::CharBuf => self.char_buf(info, param, value),
            ParamType::ByteBuf | ParamType::CharBufArray => match param.name {
                "args" | "argv" => self.terminated(Kind::Args, value),
                "env" => self.text(Kind::Env, value),
                "cgroups" => self.text(Kind::Cgroups, value),
                "event_data" => self.document(Document::Free, value),
                "tags" => self.terminated(Kind::Text, value),
                _ => self.text(Kind::Data, value),
            },
            ParamType::SockAddr => self.socket(value, 1),
            ParamType::SockTuple => self.socket(value, 2),
            ParamType::FdList => fd_list(value),
            ParamType::Dyn => self.dynamic(info, param, value),
            _ => self.left_out("value"),
        }
    }

    fn char_buf(&mut self, info: &EventInfo, param: &ParamInfo, value: &[u8]) -> Vec<u8> {
        let has = |name| info.param(name).is_some();
        let kind = match param.name {
            "comm" | "exe" => Kind::Program,
            "cwd" | "path" | "oldpath" | "newpath" | "target" | "quotafilepath" | "special"
            | "dev" | "home" | "shell" => Kind::Path,
            "container_id" | "image" => Kind::Container,
            "id" | "name" if has("image") => Kind::Container,
            "name" if has("uid") || has("gid") => {
                if self.hashes(Class::USERS) {
                    self.add_word(value.strip_suffix(b"\0").unwrap_or(value));
                }
                Kind::User
            }
            "name" if info.category == Category::File => Kind::Path,
            "json" => {
                let text = value.strip_suffix(b"\0").unwrap_or(value);
                let mut new = self.document(Document::Container, text);
                new.push(0);
                return new;
            }
            _ => Kind::Text,
        };
        self.terminated(kind, value)
    }

    fn dynamic(&mut self, info: &EventInfo, param: &ParamInfo, value: &[u8]) -> Vec<u8> {
        let ParamDetail::Dyn(table) = param.info else {
            return self.left_out("value");
        };
        let Some((variant, rest)) = value.split_first() else {
            return Vec::new();
        };
        match table.variants.get(usize::from(*variant)) {
            Some(known) if known.ty != ParamType::Dyn => {
                [&[*variant], &self.value(info, param, known.ty, rest)[..]].concat()
            }
            _ => self.left_out("value"),
        }
    }

    fn left_out(&mut self, what: &'static str) -> Vec<u8> {
        *self.counts.left_out.entry(what).or_default() += 1;
        Vec::new()
    }

    /// Returns the data of an asynchronous event.
    fn async_data(&mut self, name: &[u8], data: &[u8]) -> Vec<u8> {
        match name {
            async_event::CONTAINER => self.document(Document::Container, data),
            async_event::CGROUP_PROCS | async_event::CGROUP_THREADS => {
                self.text(Kind::Cgroups, data)
            }
            async_event::COMM => self.terminated(Kind::Program, data),
            async_event::FD => {
                let Some(fd) = OpenFd::parse(data) else {
                    return self.left_out("data of an event");
                };
                let kind = kind_of(crate::state::kind_of_name(fd.kind));
                let (name, tuple) = (self.text(kind, fd.name), self.socket(fd.tuple, 2));
                let mut out = Vec::new();
                let new = OpenFd {
                    name: &name,
                    tuple: &tuple,
                    ..fd
                };
                new.write(&mut out);
                out
            }
            async_event::DIRECTORIES => {
                let Some(dirs) = Directories::parse(data) else {
                    return self.left_out("data of an event");
                };
                let (root, cwd) = (
                    self.text(Kind::Path, dirs.root),
                    self.text(Kind::Path, dirs.cwd),
                );
                let mut out = Vec::new();
                let new = Directories {
                    root: &root,
                    cwd: &cwd,
                    ..dirs
                };
                new.write(&mut out);
                out
            }
            async_event::ARGUMENT => match data.iter().position(|byte| *byte == b'=') {
                Some(at) => [&data[..=at], &self.terminated(Kind::Path, &data[at + 1..])].concat(),
                None => self.left_out("data of an event"),
            },
            async_event::CLOCK_STEP if async_event::ClockStep::parse(data).is_some() => {
                data.to_vec()
            }
            async_event::ALERT => self.alert(data),
            _ => self.text(Kind::Data, data),
        }
    }

    fn alert(&mut self, data: &[u8]) -> Vec<u8> {
        let json = data.strip_suffix(b"\0").unwrap_or(data);
        let mut new = self.document(Document::Free, json);
        new.push(0);
        new
    }

    fn machine(&mut self, machine: &mut MachineInfo) {
        machine.extra.clear();
        if self.hashes(Class::HOSTS) && !machine.host_name.is_empty() {
            let old = machine.host_name.clone();
            self.note("machines");
            machine.host_name = lossy(&self.names.name(old.as_bytes()));
            machine.boot_id = lossy(&self.names.hexadecimal(machine.boot_id.as_bytes()));
            self.add_word(old.as_bytes());
            for part in old.split('.') {
                self.add_word(part.as_bytes());
            }
        }
        let texts = [
            &mut machine.host_name,
            &mut machine.kernel_release,
            &mut machine.kernel_version,
            &mut machine.arch,
            &mut machine.boot_id,
            &mut machine.os,
            &mut machine.time_zone,
        ];
        for text in texts {
            *text = lossy(&self.text(Kind::Text, text.as_bytes()));
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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

/// Returns a list of fds, without what follows it.
fn fd_list(value: &[u8]) -> Vec<u8> {
    let Some((count, rest)) = value.split_first_chunk::<2>() else {
        return Vec::new();
    };
    let len = usize::from(u16::from_le_bytes(*count)) * 10;
    [count, &rest[..len.min(rest.len())]].concat()
}

fn kind_of(kind: TextKind) -> Kind {
    match kind {
        TextKind::Comm | TextKind::Exe => Kind::Program,
        TextKind::Path => Kind::Path,
        TextKind::Args => Kind::Args,
        TextKind::Env => Kind::Env,
        TextKind::Cgroups => Kind::Cgroups,
        TextKind::Container => Kind::Container,
        TextKind::FdName => Kind::FdName,
        TextKind::UnixName => Kind::UnixName,
        TextKind::User => Kind::User,
        TextKind::ContainerJson | TextKind::Interface => Kind::Text,
    }
}

impl Rewrite for Redaction {
    fn text(&mut self, kind: TextKind, text: &[u8]) -> Vec<u8> {
        match kind {
            TextKind::ContainerJson => self.document(Document::Container, text),
            kind => Self::text(self, kind_of(kind), text),
        }
    }

    fn arguments(&mut self, exe: &[u8], args: &[u8]) -> Vec<u8> {
        Self::arguments(self, exe, args)
    }

    fn endpoint(&mut self, end: Endpoint) -> Endpoint {
        Self::endpoint(self, end)
    }

    fn address(&mut self, address: &mut [u8], is_mask: bool) {
        if !is_mask {
            self.octets(address);
        }
    }
}

impl Edit for Redaction {
    fn header(&mut self, header: &mut Header, origins: &mut [Origin]) {
        header.extra.clear();
        self.machine(&mut header.machine);
        for (number, origin) in (1..).zip(origins) {
            // Names of files are often those of machines.
            origin.name = format!("recording {number}");
            origin.extra.clear();
            self.machine(&mut origin.machine);
        }
        header.writer = lossy(&self.text(Kind::Text, header.writer.as_bytes()));
        for (name, value) in &mut header.options {
            // What readers interpret stays; a filter can name anything.
            *value = match &**name {
                "event-model" => value.clone(),
                _ if self.is_strict() && !value.is_empty() => lossy(secrets::REDACTED),
                _ => lossy(&self.text(Kind::Text, value.as_bytes())),
            };
            *name = lossy(&self.text(Kind::Text, name.as_bytes()));
        }
    }

    fn snapshot(&mut self, _: OriginId, origin: &mut OriginState) -> Snapshot {
        if self.hashes(Class::USERS) {
            for (_, _, user) in origin.state.users() {
                self.add_word(&user.name);
            }
        }
        let mut snapshot = origin.state.snapshot();
        if self.hashes(Class::USERS) {
            for group in &snapshot.groups {
                self.add_word(snapshot.strings.get(group.name));
            }
        }
        rewrite(&mut snapshot, self);
        snapshot
    }

    fn event<'a>(&'a mut self, event: &Event<'a>) -> Event<'a> {
        let mut lens = std::mem::take(&mut self.lens);
        let mut bytes = std::mem::take(&mut self.bytes);
        lens.clear();
        bytes.clear();
        let mut flags = event.flags;
        let info = event.info();
        let is_async = event.ty == types::ASYNCEVENT_E;
        let is_alert = alert::is_alert(event);
        for index in 0..event.params.lens().len() {
            let old = event.params.get(index).unwrap_or_default();
            let param = info.and_then(|info| Some((info, info.params.get(index)?)));
            let new = match param {
                _ if old.is_empty() => Vec::new(),
                Some((_, param)) if is_async && param.name == "data" => {
                    self.async_data(event.text(1).unwrap_or_default(), old)
                }
                Some((_, param)) if is_alert && param.name == "desc" => self.alert(old),
                Some((info, param)) if matches!(param.name, "args" | "argv") => {
                    let exe = info.params.iter().position(|param| param.name == "exe");
                    let exe = exe.and_then(|exe| event.text(exe)).unwrap_or_default();
                    self.arguments(exe, old)
                }
                Some((info, param)) => self.param(info, param, old),
                None => self.left_out("parameter that is not in the schema"),
            };
            // Pseudonyms are longer than short names.
            let new = match bytes.len() + new.len() <= EVENT_BYTES {
                true => new,
                false => self.left_out("value that became too long"),
            };
            if new.is_empty() && !old.is_empty() {
                let is_env = param.is_some_and(|(_, param)| param.name == "env");
                flags |= match is_env {
                    true => EventFlags::CUT_ENV,
                    false => EventFlags::TRUNCATED,
                };
            }
            lens.push(u32::try_from(new.len()).unwrap_or(0));
            bytes.extend_from_slice(&new);
        }
        (self.lens, self.bytes) = (lens, bytes);
        Event {
            flags,
            params: Params::new(&self.lens, &self.bytes).unwrap_or(Params::EMPTY),
            ..*event
        }
    }

    /// Fingerprints of names could be compared with those of names that are tried out.
    fn renames(&self) -> bool {
        true
    }

    fn container_id<'a>(&mut self, id: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Owned(self.text(Kind::Container, id))
    }

    fn containers(&mut self, descriptions: &mut Vec<ContainerDescription>) {
        for description in descriptions {
            description.id = self.text(Kind::Container, &description.id);
            description.json = self.document(Document::Container, &description.json);
        }
    }

    fn loss(&mut self, report: &mut LossReport) {
        let origin = OriginId::of(&report.extra);
        report.extra.clear();
        origin.note(&mut report.extra);
    }
}
