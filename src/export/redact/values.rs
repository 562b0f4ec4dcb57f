//! What the values of events become.

use scap_capture_format::native::MachineInfo;
use scap_capture_format::schema::{Category, EventInfo, ParamDetail, ParamInfo, ParamType};

use super::json::Document;
use super::{Class, Kind, Redaction, secrets};
use crate::event::async_event;
use crate::event::async_event::{Directories, OpenFd};
use crate::event::net::{Endpoint, INET, INET6, UNIX};
use crate::state::TextKind;

impl Redaction {
    pub(super) fn arguments(&mut self, exe: &[u8], args: &[u8]) -> Vec<u8> {
        let found = &mut self.counts.secrets;
        let args = secrets::arguments(exe, args, |what| *found.entry(what).or_default() += 1);
        self.text(Kind::Args, &args)
    }

    pub(super) fn endpoint(&mut self, end: Endpoint) -> Endpoint {
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
    pub(super) fn octets(&mut self, address: &mut [u8]) {
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
    pub(super) fn socket(&mut self, value: &[u8], ends: usize) -> Vec<u8> {
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
                // Other numbers than addresses of the kernel can be a text, which goes on in the path.
                let is_address = |number: &[u8]| matches!(number, [.., 0, 0] | [.., 0xff, 0xff]);
                if !numbers.chunks(8).all(is_address) {
                    return self.left_out("value");
                }
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
    pub(super) fn terminated(&mut self, kind: Kind, text: &[u8]) -> Vec<u8> {
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
    pub(super) fn param(&mut self, info: &EventInfo, param: &ParamInfo, value: &[u8]) -> Vec<u8> {
        self.value(info, param, param.ty, value)
    }

    pub(super) fn value(
        &mut self,
        info: &EventInfo,
        param: &ParamInfo,
        ty: ParamType,
        value: &[u8],
    ) -> Vec<u8> {
        if let Some(len) = ty.fixed_len() {
            return match ty {
                ParamType::Ipv4Addr | ParamType::Ipv6Addr if value.len() == len => {
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
            ParamType::FdList => self.fd_list(value),
            ParamType::Dyn => self.dynamic(info, param, value),
            _ => self.left_out("value"),
        }
    }

    /// Returns a list of fds, without what follows it. Other numbers than fds can be a text.
    fn fd_list(&mut self, value: &[u8]) -> Vec<u8> {
        let Some((count, rest)) = value.split_first_chunk::<2>() else {
            return Vec::new();
        };
        let len = usize::from(u16::from_le_bytes(*count)) * 10;
        let is_fd = |entry: &[u8]| match entry.first_chunk() {
            Some(fd) => i32::try_from(i64::from_le_bytes(*fd)).is_ok(),
            None => false,
        };
        match rest.get(..len) {
            Some(list) if list.chunks(10).all(is_fd) => [count, list].concat(),
            _ => self.left_out("value"),
        }
    }

    pub(super) fn char_buf(
        &mut self,
        info: &EventInfo,
        param: &ParamInfo,
        value: &[u8],
    ) -> Vec<u8> {
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

    pub(super) fn dynamic(&mut self, info: &EventInfo, param: &ParamInfo, value: &[u8]) -> Vec<u8> {
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

    pub(super) fn left_out(&mut self, what: &'static str) -> Vec<u8> {
        *self.counts.left_out.entry(what).or_default() += 1;
        Vec::new()
    }

    /// Returns the data of an asynchronous event.
    pub(super) fn async_data(&mut self, name: &[u8], data: &[u8]) -> Vec<u8> {
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

    pub(super) fn alert(&mut self, data: &[u8]) -> Vec<u8> {
        let json = data.strip_suffix(b"\0").unwrap_or(data);
        let mut new = self.document(Document::Free, json);
        new.push(0);
        new
    }

    pub(super) fn machine(&mut self, machine: &mut MachineInfo) {
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

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn kind_of(kind: TextKind) -> Kind {
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

#[cfg(test)]
mod tests {
    use scap_capture_format::event::{Params, Timestamp};
    use scap_capture_format::schema::{EVENTS, EventInfo};

    use crate::event::synthetic_event;
    use crate::export::{Edit as _, Redaction, RedactionSettings};

    const SECRET: &[u8] = b" AKIAIOSFODNN7EXAMPLE ";

    /// As in `fuzz/fuzz_targets/redact.rs`, which has found one in a list of fds.
    #[test]
    fn a_secret_in_place_of_any_parameter_is_not_kept() {
        for info in EVENTS {
            for before in 0..12 {
                // A count of fds, the number of a variant, and families of addresses are before it.
                let starts = [
                    [&[2; 12][..before], &[0]].concat(),
                    [&[1], &[0; 12][..before]].concat(),
                ];
                for start in starts {
                    without_secret(info, &[&start, SECRET, &[0; 40]].concat());
                }
            }
        }
    }

    /// Fails if what is in place of all parameters is in the redacted event.
    fn without_secret(info: &EventInfo, text: &[u8]) {
        let count = info.params.len() + 1;
        let lens = vec![u32::try_from(text.len()).unwrap(); count];
        let all = text.repeat(count);
        let params = Params::new(&lens, &all).unwrap();
        let event = synthetic_event(Timestamp(1), info.ty, params);
        let mut redaction = Redaction::new(RedactionSettings::default());
        let redacted = redaction.event(&event);
        let secret = SECRET.trim_ascii();
        for value in redacted.params.iter().flatten() {
            let has = value.windows(secret.len()).any(|part| part == secret);
            assert!(!has, "{} {text:x?}", info.name);
        }
    }
}
