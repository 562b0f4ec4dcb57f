//! Pseudonyms: keyed, so that nobody without the key can try out names; the same for the same name, so that what belongs
//! together can still be seen.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::event::glob::Glob;

/// Hexadecimal digits of a pseudonym.
const DIGITS: usize = 12;

/// Longest extension of a file name that is kept.
const EXTENSION: usize = 5;

/// Digits of a number that is kept: ids of processes, ports.
const NUMBER: usize = 7;

/// Directories whose files are those of the distribution, and are kept with all that is below.
const SYSTEM: &[&str] = &[
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/proc",
    "/dev",
];

/// Components of paths that say nothing.
const COMPONENTS: &[&str] = &[
    "bin",
    "sbin",
    "usr",
    "lib",
    "lib32",
    "lib64",
    "libexec",
    "share",
    "local",
    "include",
    "etc",
    "proc",
    "sys",
    "dev",
    "run",
    "var",
    "tmp",
    "log",
    "cache",
    "spool",
    "home",
    "root",
    "opt",
    "srv",
    "mnt",
    "media",
    "boot",
    "fs",
    "cgroup",
    "lock",
    "passwd",
    "group",
    "shadow",
    "gshadow",
    "hosts",
    "hostname",
    "resolv.conf",
    "nsswitch.conf",
    "ld.so.cache",
    "ld.so.preload",
    "localtime",
    "crontab",
    "cron.d",
    "sudoers",
    "ssh",
    "sshd_config",
    ".ssh",
    "authorized_keys",
    "known_hosts",
    "systemd",
    "system",
    "docker",
    "docker.sock",
    "containerd",
    "kubelet",
    "kubepods",
    "kubepods.slice",
    "system.slice",
    "user.slice",
    "machine.slice",
    "init.scope",
    "null",
];

/// Programs that every system has.
const PROGRAMS: &[&str] = &[
    "sh",
    "bash",
    "dash",
    "zsh",
    "ash",
    "ls",
    "cat",
    "cp",
    "mv",
    "rm",
    "mkdir",
    "ln",
    "chmod",
    "chown",
    "grep",
    "sed",
    "awk",
    "find",
    "tar",
    "gzip",
    "xz",
    "ps",
    "top",
    "kill",
    "sleep",
    "true",
    "false",
    "echo",
    "env",
    "id",
    "whoami",
    "uname",
    "date",
    "ssh",
    "sshd",
    "scp",
    "sudo",
    "su",
    "login",
    "cron",
    "crond",
    "systemd",
    "init",
    "dbus-daemon",
    "curl",
    "wget",
    "nc",
    "ncat",
    "python",
    "python3",
    "perl",
    "ruby",
    "node",
    "java",
    "php",
    "gcc",
    "make",
    "git",
    "mount",
    "umount",
    "ip",
    "iptables",
    "dockerd",
    "containerd",
    "containerd-shim",
    "runc",
    "kubelet",
    "nginx",
    "mysql",
    "mysqld",
    "mariadb",
    "postgres",
    "redis-server",
    "strace",
    "gdb",
    "xargs",
    "tee",
    "head",
    "tail",
    "sort",
];

/// Makes pseudonyms.
pub(super) struct Names {
    key: [u8; 32],
    keep: Vec<Glob>,
}

impl Names {
    pub(super) fn new(key: [u8; 32], keep: Vec<Glob>) -> Self {
        Self { key, keep }
    }

    /// Whether the user wants to keep a text.
    pub(super) fn keeps(&self, text: &[u8]) -> bool {
        self.keep.iter().any(|glob| glob.is_match(text))
    }

    fn digest(&self, what: &[u8], text: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(what);
        hasher.update(&[0]);
        hasher.update(text);
        *hasher.finalize().as_bytes()
    }

    fn hex(&self, text: &[u8], digits: usize) -> Vec<u8> {
        let digest = blake3::Hash::from_bytes(self.digest(b"name", text));
        let hex = digest.to_hex();
        hex.as_bytes()
            .iter()
            .copied()
            .cycle()
            .take(digits)
            .collect()
    }

    /// Returns the pseudonym of a name; leading dots and an extension stay.
    pub(super) fn name(&self, name: &[u8]) -> Vec<u8> {
        let dots = name.iter().take_while(|byte| **byte == b'.').count();
        let (dots, rest) = name.split_at(dots);
        let is_number = rest.len() <= NUMBER && rest.iter().all(u8::is_ascii_digit);
        if rest.is_empty() || is_number || self.keeps(name) {
            return name.to_vec();
        }
        let extension = rest.iter().rposition(|byte| *byte == b'.').filter(|at| {
            let extension = &rest[at + 1..];
            *at > 0
                && (1..=EXTENSION).contains(&extension.len())
                && extension[0].is_ascii_alphabetic()
                && extension.iter().all(u8::is_ascii_alphanumeric)
        });
        let (stem, extension) = rest.split_at(extension.unwrap_or(rest.len()));
        [dots, b"x", &self.hex(stem, DIGITS), extension].concat()
    }

    /// Returns the pseudonym of a program's name.
    pub(super) fn program(&self, name: &[u8]) -> Vec<u8> {
        match name.contains(&b'/') {
            true => self.path(name),
            false if PROGRAMS.iter().any(|known| known.as_bytes() == name) => name.to_vec(),
            false => self.name(name),
        }
    }

    /// Returns a path with pseudonyms for its components, each by itself, so that directories stay what they are.
    pub(super) fn path(&self, path: &[u8]) -> Vec<u8> {
        let is_below = |dir: &&str| {
            let rest = path.strip_prefix(dir.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        let is_plain = !path.split(|byte| *byte == b'/').any(|part| part == b"..");
        if is_plain && SYSTEM.iter().any(is_below) || self.keeps(path) {
            return path.to_vec();
        }
        let mut out = Vec::with_capacity(path.len());
        for (number, part) in path.split(|byte| *byte == b'/').enumerate() {
            if number > 0 {
                out.push(b'/');
            }
            let (part, deleted) = match part.strip_suffix(b" (deleted)") {
                Some(part) => (part, &b" (deleted)"[..]),
                None => (part, &b""[..]),
            };
            let (mark, part) = match part.iter().position(|byte| *byte != b'@') {
                Some(at) if number == 0 => part.split_at(at),
                _ => (&b""[..], part),
            };
            out.extend_from_slice(mark);
            let is_known = COMPONENTS.iter().any(|known| known.as_bytes() == part);
            match part.strip_prefix(b"memfd:") {
                Some(name) => out.extend([b"memfd:", &self.name(name)[..]].concat()),
                None if is_known => out.extend_from_slice(part),
                None => out.extend(self.name(part)),
            }
            out.extend_from_slice(deleted);
        }
        out
    }

    /// Returns an id of a container, or a hexadecimal number, as another one of the same length; the short id stays the
    /// beginning of the long one.
    pub(super) fn hexadecimal(&self, id: &[u8]) -> Vec<u8> {
        let (short, rest) = id.split_at(id.len().min(DIGITS));
        let mut out = self.hex(short, short.len());
        if !rest.is_empty() {
            out.extend(self.hex(id, rest.len()));
        }
        out
    }

    /// Returns the pseudonym of an IPv4 address. Addresses of a network stay in one network, private ones are private.
    pub(super) fn ipv4(&self, ip: Ipv4Addr) -> Ipv4Addr {
        let old = ip.octets();
        let kept = match old {
            [0 | 127 | 224..=255, ..] => return ip,
            [10, ..] => 1,
            [192, 168, ..] | [169, 254, ..] => 2,
            // Only the last four bits of the second octet.
            [172, 16..=31, ..] => 1,
            _ => 0,
        };
        if self.keeps(ip.to_string().as_bytes()) {
            return ip;
        }
        let mut new = old;
        for at in kept..4 {
            let pad = self.digest(b"ipv4", &old[..at])[0];
            new[at] = match (at, old) {
                (0, _) => self.first_octet(old[0]),
                (1, [172, 16..=31, ..]) => 16 | (old[1] ^ pad) & 15,
                _ => old[at] ^ pad,
            };
        }
        new.into()
    }

    /// Permutes the first octets of public addresses.
    fn first_octet(&self, octet: u8) -> u8 {
        let is_special = |octet: &u8| matches!(octet, 10 | 127 | 169 | 172 | 192);
        if is_special(&octet) {
            return octet;
        }
        let mut all: Vec<u8> = (1..224).filter(|octet| !is_special(octet)).collect();
        let place = all.iter().position(|other| *other == octet);
        all.sort_by_cached_key(|octet| self.digest(b"first", &[*octet]));
        place.and_then(|at| all.get(at)).copied().unwrap_or(octet)
    }

    /// Returns the pseudonym of an IPv6 address, likewise.
    pub(super) fn ipv6(&self, ip: Ipv6Addr) -> Ipv6Addr {
        if let Some(v4) = ip.to_ipv4_mapped() {
            return self.ipv4(v4).to_ipv6_mapped();
        }
        let old = ip.octets();
        let kept = match old {
            [0xff, ..] => return ip,
            [0xfe, 0x80..=0xbf, ..] => 2,
            _ if ip.is_loopback() || ip.is_unspecified() => return ip,
            _ => 1,
        };
        if self.keeps(ip.to_string().as_bytes()) {
            return ip;
        }
        let mut new = old;
        for at in kept..16 {
            new[at] ^= self.digest(b"ipv6", &old[..at])[0];
        }
        new.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(key: u8) -> Names {
        Names::new([key; 32], vec![Glob::new(b"/srv/public/*", false)])
    }

    fn path(names: &Names, path: &str) -> String {
        String::from_utf8(names.path(path.as_bytes())).unwrap()
    }

    #[test]
    fn the_structure_of_paths_stays() {
        let names = names(1);
        let (dir, file) = (
            path(&names, "/data/customer"),
            path(&names, "/data/customer/list.csv"),
        );
        assert!(
            file.starts_with(&format!("{dir}/x")) && file.ends_with(".csv"),
            "{file}"
        );
        assert!(!file.contains("customer") && !file.contains("list") && !file.contains("data"));
        assert_eq!(file.matches('/').count(), 3);
        assert_ne!(path(&self::names(2), "/data/customer"), dir);
        for same in [
            "/usr/bin/python3",
            "/proc/17/maps",
            "/etc/passwd",
            "/",
            "",
            ".",
            "../..",
            "/srv/public/x",
            "/tmp",
        ] {
            assert_eq!(path(&names, same), same);
        }
        assert!(
            path(&names, "/usr/bin/../../home/alice").ends_with(&path(&names, "/home/alice")[5..])
        );
        assert!(path(&names, "/home/alice/.profile").contains("/.x"));
        assert!(path(&names, "@private").starts_with("@x"));
        assert!(path(&names, "/memfd:secret (deleted)").starts_with("/memfd:x"));
    }

    #[test]
    fn networks_stay_networks_and_addresses_stay_different() {
        let names = names(3);
        let ip = |text: &str| names.ipv4(text.parse().unwrap());
        for same in ["127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1"] {
            assert_eq!(ip(same).to_string(), same);
        }
        let mut seen: Vec<_> = (0..=255)
            .map(|last| ip(&format!("10.1.2.{last}")))
            .collect();
        assert!(
            seen.iter()
                .all(|ip| ip.octets()[..3] == seen[0].octets()[..3] && ip.is_private())
        );
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 256);
        assert!(ip("172.20.1.1").is_private() && ip("192.168.3.4").is_private());
        let mut firsts: Vec<u8> = (0..=255)
            .map(|first| ip(&format!("{first}.1.1.1")).octets()[0])
            .collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 256);
        let six = |text: &str| names.ipv6(text.parse().unwrap());
        assert_eq!(
            six("2001:db8::1").octets()[..15],
            six("2001:db8::2").octets()[..15]
        );
        assert_ne!(
            six("2001:db8::1"),
            "2001:db8::1".parse::<Ipv6Addr>().unwrap()
        );
        assert_eq!(six("::ffff:10.1.2.3"), ip("10.1.2.3").to_ipv6_mapped());
        assert!(six("fe80::1").is_unicast_link_local());
    }

    #[test]
    fn short_ids_are_the_beginning_of_long_ones() {
        let names = names(4);
        let long = names.hexadecimal(&[b'a'; 64]);
        assert_eq!(long.len(), 64);
        assert_eq!(names.hexadecimal(&[b'a'; 12]), long[..12]);
    }
}
