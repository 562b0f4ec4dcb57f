//! Builds a container's description in the format of falcosecurity's `container` events (state-engine: keys and
//! types are those of falcosecurity plugins, `plugins/container/go-worker/pkg/event`).
//!
//! Invariant: the text is at most 64 KiB. Each member has a share of that; values that do not fit are omitted,
//! and `cut` lists the members that were truncated. A key without a value is omitted.

use serde_json::{Map, Value as Json, json};

use super::Description;
use super::image::ImageName;
use crate::event::time;
use crate::record::clock;

/// Characters of a displayed id.
const SHORT_ID: usize = 12;
/// Largest size of one text in bytes. There are about a dozen texts.
const TEXT_BYTES: usize = 1 << 10;
const LABELS_BYTES: usize = 16 << 10;
const POD_LABELS_BYTES: usize = 8 << 10;
const MOUNTS_BYTES: usize = 10 << 10;
const PORTS_BYTES: usize = 2 << 10;
const ENV_BYTES: usize = 8 << 10;
const CNI_BYTES: usize = 4 << 10;

/// falcosecurity's numbers of the runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Docker = 0,
    /// A CRI runtime other than those below.
    Cri = 6,
    Containerd = 7,
    CriO = 8,
    Podman = 11,
}

impl Kind {
    /// Whether cgroups with the layout of `hint` can belong to this runtime.
    pub(super) fn fits(self, hint: &str) -> bool {
        match self {
            Self::Docker => hint == "docker",
            Self::Cri | Self::Containerd => hint == "containerd",
            Self::CriO => hint == "cri-o",
            Self::Podman => hint == "podman",
        }
    }
}

/// Shortens a full id.
pub(super) fn short_id(full: &str) -> &str {
    &full[..full.floor_char_boundary(SHORT_ID)]
}

/// A description under construction.
#[derive(Debug)]
pub(super) struct Draft {
    id: String,
    map: Map<String, Json>,
    /// Bytes that each list takes so far.
    lists: Vec<(&'static str, usize)>,
    cut: Vec<&'static str>,
}

impl Draft {
    pub(super) fn new(full_id: &str, kind: Kind) -> Self {
        let id = short_id(full_id).to_owned();
        let mut map = Map::new();
        map.insert("id".to_owned(), id.as_str().into());
        map.insert("type".to_owned(), (kind as u8).into());
        let mut draft = Self {
            id,
            map,
            lists: Vec::new(),
            cut: Vec::new(),
        };
        // Runtimes call containers what they like.
        draft.text("full_id", full_id);
        draft
    }

    /// Adds a text, unless it is empty.
    pub(super) fn text(&mut self, key: &'static str, text: &str) {
        self.long_text(key, text, TEXT_BYTES);
    }

    /// Adds the result of the network plugins.
    pub(super) fn cni(&mut self, json: &str) {
        self.long_text("cni_json", json, CNI_BYTES);
    }

    pub(super) fn truth(&mut self, key: &'static str, truth: Option<bool>) {
        if let Some(truth) = truth {
            self.map.insert(key.to_owned(), truth.into());
        }
    }

    /// Adds a number, unless it is 0, which runtimes use for unset values.
    pub(super) fn number(&mut self, key: &'static str, number: Option<i64>) {
        if let Some(number) = number.filter(|n| *n != 0) {
            self.map.insert(key.to_owned(), number.into());
        }
    }

    /// Adds the time of creation in seconds since the epoch, unless it cannot be true.
    pub(super) fn created(&mut self, seconds: i64) {
        if time::of_creation(seconds, clock::wall()).is_some() {
            self.number("created_time", Some(seconds));
        }
    }

    /// Adds the number of CPUs in a list like `0-3,8`.
    pub(super) fn cpus(&mut self, list: &str) {
        self.number("cpuset_cpu_count", cpus(list));
    }

    /// Adds the name of the image and its parts.
    pub(super) fn image(&mut self, name: &str, id: &str) {
        let parts = ImageName::parse(name);
        self.text("image", name);
        self.text("imageid", id.strip_prefix("sha256:").unwrap_or(id));
        self.text("imagerepo", parts.repository);
        self.text("imagetag", parts.tag);
        self.text("imagedigest", parts.digest);
    }

    pub(super) fn labels<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
        self.table("labels", labels, LABELS_BYTES);
    }

    pub(super) fn pod_labels<'a>(
        &mut self,
        labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) {
        self.table("pod_sandbox_labels", labels, POD_LABELS_BYTES);
    }

    pub(super) fn mount(
        &mut self,
        source: &str,
        destination: &str,
        mode: &str,
        writable: bool,
        propagation: &str,
    ) {
        let mount = json!({
            "Source": source,
            "Destination": destination,
            "Mode": mode,
            "RW": writable,
            "Propagation": propagation,
        });
        self.push("Mounts", mount, MOUNTS_BYTES);
    }

    pub(super) fn port(&mut self, host_ip: &str, host_port: u16, container_port: u16) {
        let port = json!({
            "HostIp": host_ip,
            "HostPort": host_port,
            "ContainerPort": container_port,
        });
        self.push("port_mappings", port, PORTS_BYTES);
    }

    pub(super) fn env(&mut self, variable: &str) {
        self.push("env", variable.into(), ENV_BYTES);
    }

    /// Adds the command of the container's health check.
    pub(super) fn health_check(&mut self, exe: &str, args: &[&str]) {
        let check = json!({ "exe": exe, "args": args });
        if check.to_string().len() > TEXT_BYTES {
            self.lacks("Healthcheck");
        } else {
            self.map.insert("Healthcheck".to_owned(), check);
        }
    }

    /// Marks a member as truncated.
    pub(super) fn lacks(&mut self, key: &'static str) {
        if !self.cut.contains(&key) {
            self.cut.push(key);
        }
    }

    pub(super) fn finish(mut self) -> Description {
        if !self.cut.is_empty() {
            self.map.insert("cut".to_owned(), self.cut.into());
        }
        Description {
            id: self.id,
            json: json!({ "container": self.map }).to_string(),
        }
    }

    fn long_text(&mut self, key: &'static str, text: &str, share: usize) {
        if text.is_empty() {
            return;
        }
        let kept = fitting(text, share);
        if kept.len() < text.len() {
            self.lacks(key);
        }
        self.map.insert(key.to_owned(), kept.into());
    }

    /// Adds a table. Kubernetes' own names come first, as they are needed most often.
    fn table<'a>(
        &mut self,
        key: &'static str,
        entries: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        share: usize,
    ) {
        let is_first = |name: &str| name.starts_with("io.kubernetes.");
        let first = entries.clone().filter(|(name, _)| is_first(name));
        let rest = entries.filter(|(name, _)| !is_first(name));
        let mut table = Map::new();
        let mut left = share;
        for (name, value) in first.chain(rest) {
            let size = quoted(name) + quoted(value) + 2;
            if size > left {
                self.lacks(key);
                continue;
            }
            left -= size;
            table.insert(name.to_owned(), value.into());
        }
        if !table.is_empty() {
            self.map.insert(key.to_owned(), table.into());
        }
    }

    /// Adds an item to a list that may take `share` bytes.
    fn push(&mut self, key: &'static str, item: Json, share: usize) {
        let index = match self.lists.iter().position(|(list, _)| *list == key) {
            Some(index) => index,
            None => {
                self.lists.push((key, 2));
                self.lists.len() - 1
            }
        };
        let used = &mut self.lists[index].1;
        let size = item.to_string().len() + 1;
        if *used + size > share {
            self.lacks(key);
            return;
        }
        *used += size;
        let list = self.map.entry(key).or_insert_with(|| Json::Array(vec![]));
        if let Some(list) = list.as_array_mut() {
            list.push(item);
        }
    }
}

/// Counts the CPUs of a list like `0-3,8`.
fn cpus(list: &str) -> Option<i64> {
    let mut count = 0_i64;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<i32>().ok()?, last.parse::<i32>().ok()?);
        count += i64::from(last) - i64::from(first) + 1;
    }
    (count > 0).then_some(count)
}

/// Returns the size of a text in JSON, in bytes.
fn quoted(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..0x20 => 6,
        _ => 1,
    });
    escapes.sum::<usize>() + 2
}

/// Returns the longest prefix of a text that takes at most `share` bytes in JSON.
fn fitting(text: &str, share: usize) -> &str {
    if quoted(text) <= share {
        return text;
    }
    let mut used = 2;
    let mut end = 0;
    for (at, letter) in text.char_indices() {
        let next = at + letter.len_utf8();
        used += quoted(&text[at..next]) - 2;
        if used > share {
            break;
        }
        end = next;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(description: &Description) -> Json {
        let json: Json = serde_json::from_str(&description.json).unwrap();
        json["container"].clone()
    }

    #[test]
    fn a_time_of_creation_is_after_the_first_containers_and_not_in_the_future() {
        let now = (clock::wall() / time::NS_PER_S).cast_signed();
        let created = |seconds: i64| {
            let mut draft = Draft::new(&"0".repeat(64), Kind::Docker);
            draft.created(seconds);
            object(&draft.finish())["created_time"].as_i64()
        };
        for seconds in [1_136_073_600, 1_700_000_000, now, now + 3600] {
            assert_eq!(created(seconds), Some(seconds));
        }
        for seconds in [
            i64::MIN,
            -62_135_596_800,
            -1,
            0,
            1,
            999,
            now + 7 * 86_400,
            253_402_300_799,
            i64::MAX,
        ] {
            assert_eq!(created(seconds), None, "{seconds}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut draft = Draft::new(&"0123456789abcdef".repeat(4), Kind::Podman);
        draft.text("name", "");
        draft.number("cpu_shares", Some(0));
        draft.truth("privileged", None);
        draft.labels([].into_iter());
        let json = object(&draft.finish());
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["full_id", "id", "type"]);
        assert_eq!(
            (&json["id"], &json["type"]),
            (&"0123456789ab".into(), &11.into())
        );
    }

    #[test]
    fn at_most_64_kib_whatever_comes() {
        let huge = "\u{1}\"ä".repeat(50_000);
        let mut draft = Draft::new(&huge, Kind::Cri);
        for key in [
            "name",
            "ip",
            "User",
            "image",
            "pod_sandbox_id",
            "imageid",
            "a",
            "b",
            "c",
        ] {
            draft.text(key, &huge);
        }
        let many: Vec<(String, String)> = (0..5000)
            .map(|n| (format!("label{n}"), "v\u{2}".repeat(20)))
            .chain([("io.kubernetes.pod.name".to_owned(), "web-0".to_owned())])
            .collect();
        let many = many.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        draft.labels(many.clone().chain([("huge", huge.as_str())]));
        draft.pod_labels(many);
        draft.cni(&huge);
        draft.health_check(&huge, &[huge.as_str()]);
        for n in 0..2000 {
            draft.mount("/a", &format!("/{n}"), "rw", true, "rprivate");
            draft.env(&format!("KEY{n}=value\n"));
            draft.port("0.0.0.0", 80, n);
        }
        let description = draft.finish();
        assert!(
            (48 << 10..64 << 10).contains(&description.json.len()),
            "{}",
            description.json.len()
        );
        let json = object(&description);
        assert_eq!(json["labels"]["io.kubernetes.pod.name"], "web-0");
        assert_eq!(json["Mounts"][3]["Destination"], "/3");
        assert!(json["name"].as_str().unwrap().starts_with("\u{1}\"ä"));
        assert_eq!(json["id"], "\u{1}\"ä\u{1}\"ä\u{1}\"ä");
        let cut = json["cut"].as_array().unwrap();
        for part in [
            "full_id",
            "name",
            "labels",
            "pod_sandbox_labels",
            "Mounts",
            "env",
            "cni_json",
        ] {
            assert!(cut.contains(&part.into()), "{part}");
        }
    }

    #[test]
    fn lists_of_cpus() {
        for (list, count) in [
            ("0", Some(1)),
            ("0-3,8", Some(5)),
            ("", None),
            ("3-0", None),
            ("0-x", None),
        ] {
            assert_eq!(cpus(list), count, "{list}");
        }
    }

    #[test]
    fn sizes_in_json_are_exact() {
        for text in [
            "",
            "a\"\\",
            "\u{0}\u{1f}\n\r\t\u{8}\u{c}\u{7f}",
            "ä\u{2028}",
        ] {
            assert_eq!(quoted(text), Json::from(text).to_string().len(), "{text:?}");
        }
        assert_eq!(fitting("aäb", 5), "aä");
        assert_eq!(fitting("aäb", 4), "a");
    }
}
