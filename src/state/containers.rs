//! Containers: which one a thread is in, and what is known about them.
//!
//! The id is in the paths of the cgroups, as the container runtimes lay them out (falcosecurity plugins:
//! `plugins/container/src/matchers`). What a runtime says of a container comes as JSON, in the forms of
//! falcosecurity's `container` events.

use hashbrown::HashMap;
use serde_json::Value as Json;

use super::limits;
use super::thread::Text;

/// Digits of a full id.
const FULL_ID: usize = 64;
/// Digits of the id that is shown.
const SHORT_ID: usize = 12;

/// Prefix and suffix around a full id, of all runtimes that have one.
const LAYOUTS: &[(&[u8], &[u8])] = &[
    (b"/libpod-payload-", b".scope/container"),
    (b"/libpod-payload-", b".scope"),
    (b"/libpod-payload-", b""),
    (b"/libpod-", b".scope/container"),
    (b"/libpod-", b".scope"),
    (b"/libpod-", b""),
    (b"/docker-", b".scope"),
    (b"/crio-", b".scope"),
    (b"/crio-", b""),
    (b"/cri-containerd-", b".scope"),
    (b"/nerdctl-", b".scope"),
    (b":cri-containerd:", b""),
    (b"/", b""),
];

/// Brings names of cgroup subsystems into one form: recorders call some by other names
/// (falcosecurity libs: `threadinfo.cpp`, `set_cgroups`). `None`: they are in that form already.
pub(super) fn normalised(cgroups: &[u8]) -> Option<Vec<u8>> {
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

/// Finds the id of the container that a thread with these cgroups (`subsystem=path`, NUL after each) is
/// in; `None` = the host.
pub(super) fn id_of(cgroups: Option<&[u8]>) -> Option<Text> {
    let paths = cgroups?
        .split(|b| *b == 0)
        .filter_map(|entry| memchr::memchr(b'=', entry).map(|at| &entry[at + 1..]));
    // Most threads of most machines are in none: the cheap test comes first.
    paths
        .filter(|path| path.len() > SHORT_ID)
        .find_map(id_in_path)
}

/// Finds the id of the container that lists of cgroups like this one belong to.
pub fn container_id(cgroups: &[u8]) -> Option<Text> {
    id_of(Some(cgroups))
}

/// Returns the runtime that lays out cgroups like these, as far as the layout tells.
pub fn runtime_of(cgroups: Option<&[u8]>) -> Option<&'static str> {
    const BY_MARK: &[(&[u8], &str)] = &[
        (b"libpod-", "podman"),
        (b"crio-", "cri-o"),
        (b"cri-containerd", "containerd"),
        (b"nerdctl-", "containerd"),
        (b"/lxc", "lxc"),
        (b"libvirt", "libvirt-lxc"),
        (b"/docker", "docker"),
    ];
    let cgroups = cgroups?;
    let mark = BY_MARK
        .iter()
        .find(|(mark, _)| memchr::memmem::find(cgroups, mark).is_some());
    mark.map(|(_, name)| *name)
}

fn id_in_path(path: &[u8]) -> Option<Text> {
    for (prefix, suffix) in LAYOUTS {
        let Some(stem) = path.strip_suffix(*suffix) else {
            continue;
        };
        let Some(at) = memchr::memmem::rfind(stem, prefix) else {
            continue;
        };
        let id = &stem[at + prefix.len()..];
        if id.len() == FULL_ID && id.iter().all(u8::is_ascii_hexdigit) {
            return Some(id[..SHORT_ID].into());
        }
    }
    lxc(path)
}

/// LXC and libvirt name their containers freely.
fn lxc(path: &[u8]) -> Option<Text> {
    for prefix in [&b"/lxc/"[..], b"/lxc.payload/", b"/lxc.payload."] {
        if let Some(at) = memchr::memmem::find(path, prefix) {
            let rest = &path[at + prefix.len()..];
            let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            if end > 0 {
                return Some(rest[..end.min(limits::NAME)].into());
            }
        }
    }
    let name = path.strip_suffix(b".libvirt-lxc")?;
    let start = memchr::memrchr(b'/', name)? + 1;
    Some(name[start..].into())
}

/// What a runtime said about a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerInfo {
    /// Its id as shown.
    pub id: String,
    /// The object of the `container` event, as it came.
    json: Json,
}

impl ContainerInfo {
    /// Returns the member with this name (`name`, `image`, `ip`), if it is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.json.get(key)?.as_str()
    }

    /// Returns the member with this name, if it is a truth value.
    pub fn truth(&self, key: &str) -> Option<bool> {
        self.json.get(key)?.as_bool()
    }

    /// Returns the member with this name, whatever it is.
    pub fn json(&self, key: &str) -> Option<&Json> {
        self.json.get(key)
    }

    /// Returns the number that falcosecurity gives the runtime.
    pub fn kind(&self) -> Option<u64> {
        self.json.get("type")?.as_u64()
    }

    /// Returns the whole description as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::json!({ "container": self.json }).to_string()
    }
}

/// What is known about containers, by id.
#[derive(Debug, Default)]
pub(super) struct Containers {
    by_id: HashMap<String, ContainerInfo>,
    bytes: usize,
}

impl Containers {
    pub(super) fn get(&self, id: &[u8]) -> Option<&ContainerInfo> {
        self.by_id.get(std::str::from_utf8(id).ok()?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ContainerInfo> {
        self.by_id.values()
    }

    /// Takes note of what a `container` event says; what makes no sense is passed over.
    pub(super) fn add_json(&mut self, text: &[u8]) {
        if text.len() > limits::CONTAINER_JSON
            || self.bytes.saturating_add(text.len()) > limits::CONTAINERS_BYTES
            || self.by_id.len() >= limits::CONTAINERS
        {
            return;
        }
        let Ok(Json::Object(mut outer)) = serde_json::from_slice::<Json>(text) else {
            return;
        };
        let Some(json) = outer.remove("container") else {
            return;
        };
        let Some(id) = json.get("id").and_then(Json::as_str).map(str::to_owned) else {
            return;
        };
        self.bytes = self.bytes.saturating_add(text.len());
        let info = ContainerInfo {
            id: id.clone(),
            json,
        };
        self.by_id.insert(id, info);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(cgroups: &str) -> Option<String> {
        let id = id_of(Some(cgroups.as_bytes()))?;
        Some(String::from_utf8(id.to_vec()).unwrap())
    }

    #[test]
    fn ids_of_all_runtimes() {
        let full = "0123456789abcdef".repeat(4);
        for path in [
            format!("/docker/{full}"),
            format!("/system.slice/docker-{full}.scope"),
            format!("/kubepods/besteffort/podabc/{full}"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{full}.scope"),
            format!("/kubepods.slice/crio-{full}.scope"),
            format!("/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{full}"),
            format!("/machine.slice/libpod-{full}.scope"),
            format!("/machine.slice/libpod-{full}.scope/container"),
            format!("/user.slice/libpod-payload-{full}"),
        ] {
            let cgroups = format!("cpuset=/\0memory={path}\0");
            assert_eq!(id(&cgroups).as_deref(), Some("0123456789ab"), "{path}");
        }
        assert_eq!(id("cpuset=/lxc/web/init\0").as_deref(), Some("web"));
        assert_eq!(
            id("cpuset=/machine/vm1.libvirt-lxc\0").as_deref(),
            Some("vm1")
        );
    }

    #[test]
    fn the_host_is_no_container() {
        for cgroups in [
            "",
            "cpuset=/\0",
            "memory=/user.slice/user-0.slice/session-1.scope\0",
            "x",
        ] {
            assert_eq!(id(cgroups), None, "{cgroups}");
        }
        let short = "0123456789abcdef".repeat(3);
        assert_eq!(id(&format!("memory=/docker/{short}\0")), None);
        assert_eq!(id_of(None), None);
    }

    #[test]
    fn subsystems_have_one_name() {
        let new = normalised(b"cpuset=/\0io=/a\0mem_cgroup=/b\0perf=/c\0");
        assert_eq!(
            new.as_deref(),
            Some(&b"cpuset=/\0blkio=/a\0memory=/b\0perf_event=/c\0"[..])
        );
        assert_eq!(normalised(b"cpuset=/\0blkio=/a\0=x\0\0"), None);
        assert_eq!(normalised(b""), None);
    }

    #[test]
    fn descriptions_are_checked() {
        let mut all = Containers::default();
        all.add_json(br#"{"container":{"id":"abc","name":"web","type":0,"privileged":true}}"#);
        let info = all.get(b"abc").unwrap();
        assert_eq!((info.text("name"), info.kind()), (Some("web"), Some(0)));
        assert_eq!(
            (info.truth("privileged"), info.text("type")),
            (Some(true), None)
        );
        for bad in [
            &b"{"[..],
            b"[]",
            b"{}",
            br#"{"container":{"id":7}}"#,
            b"\xff",
            b"null",
        ] {
            all.add_json(bad);
        }
        assert_eq!(all.by_id.len(), 1);
        all.add_json(&[b' '; limits::CONTAINER_JSON + 1]);
        assert_eq!(all.iter().count(), 1);
    }
}
