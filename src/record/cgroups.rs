//! Filters by container, in the kernel: which cgroups contain no thread that can pass the filter.
//!
//! The conditions on a thread's container that every passing event must fulfil are evaluated once for each
//! cgroup, when it is first seen and when its container is described. From threads in excluded cgroups, the
//! probe records only the calls that change the state. A cgroup without a decision is recorded in full: the
//! exclusion saves work, the exact decision is the recorder's filter.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use scap_capture_format::{
    event::{Params, Pid, Tid, Timestamp},
    native::snapshot::{ContainerEntry, Snapshot, ThreadEntry},
    schema::types,
};
use scap_probe_common::config::{CGROUP_CONTROLLERS, MISSING};

use super::host::{CgroupPaths, Host};
use crate::fields::{Context, Session};
use crate::{
    event::{Event, synthetic_event},
    filter::Filter,
    state::{self, ContainerInfo, State},
};

/// Most cgroups known at a time, in the kernel too. The oldest are dropped, and recorded in full again.
pub(super) const MAX_CGROUPS: usize = 16_384;

/// Most lists of cgroups kept of one cgroup; if it has more, it is recorded.
const MAX_LISTS: usize = 8;

/// Tells the kernel whether a cgroup, by its id, is excluded. If the update fails, the cgroup is recorded.
pub(super) type TellKernel = Box<dyn FnMut(u64, bool)>;

/// The cgroups that were seen, with the filter's decision on each.
pub(super) struct Cgroups {
    filter: Filter,
    needs_runtime_metadata: bool,
    session: Session,
    update_kernel: TellKernel,
    known: HashMap<u64, Known>,
    /// Ids in the order in which they were first seen.
    order: VecDeque<u64>,
}

/// A cgroup of the followed hierarchy.
#[derive(Default)]
struct Known {
    /// The lists of cgroups that its threads were seen with. Threads of a container may differ from those of the host
    /// in another hierarchy only.
    lists: Vec<Decided>,
    /// There were more lists than are kept.
    has_more: bool,
    /// Whether it is excluded in the kernel.
    is_out: bool,
}

/// The filter's decision on a list of cgroups.
struct Decided {
    /// `subsystem=path`, each followed by a NUL.
    list: Box<[u8]>,
    /// The displayed id of their container.
    container: Option<Box<[u8]>>,
    is_out: bool,
}

impl Cgroups {
    /// Creates the set for a filter; `None` if no condition on containers must hold for every event.
    pub(super) fn new(filter: Option<&Filter>, update_kernel: TellKernel) -> Option<Self> {
        let filter = filter?.container_prefilter()?;
        Some(Self {
            needs_runtime_metadata: filter.needs_runtime_metadata(),
            filter,
            session: Session::default(),
            update_kernel,
            known: HashMap::new(),
            order: VecDeque::new(),
        })
    }

    /// Records that the cgroup `id` has a thread whose list of cgroups is `list`. `state` has the descriptions of
    /// containers.
    pub(super) fn seen(&mut self, id: u64, list: &[u8], state: &State) {
        let known = self.known.get(&id);
        if known.is_some_and(|known| known.lists.iter().any(|seen| *seen.list == *list)) {
            return;
        }
        if known.is_none() {
            if self.order.len() >= MAX_CGROUPS
                && let Some(oldest) = self.order.pop_front()
                && self.known.remove(&oldest).is_some_and(|known| known.is_out)
            {
                (self.update_kernel)(oldest, false);
            }
            self.order.push_back(id);
        }
        let decided = self.decide(list.into(), state);
        let known = self.known.entry(id).or_default();
        if known.lists.len() < MAX_LISTS {
            known.lists.push(decided);
        } else {
            known.has_more = true;
        }
        self.tell(id);
    }

    /// Records that a thread was moved, which in v1 takes a step for each hierarchy: `list` may be a mixture of the old
    /// and the new one, and does not count for a cgroup that is known.
    pub(super) fn moved(&mut self, id: u64, list: &[u8], state: &State) {
        if !self.known.contains_key(&id) {
            self.seen(id, list, state);
        }
    }

    /// Records the cgroups in the lists of threads; see [`Self::seen`].
    pub(super) fn seen_all<L: AsRef<[u8]>>(
        &mut self,
        hierarchy: &Hierarchy,
        lists: impl IntoIterator<Item = L>,
        state: &State,
    ) {
        for list in lists {
            if let Some(id) = hierarchy.id(list.as_ref()) {
                self.seen(id, list.as_ref(), state);
            }
        }
    }

    /// Decides again about the cgroups of a container that was described. `container` is its displayed id.
    pub(super) fn described(&mut self, container: &[u8], state: &State) {
        if !self.needs_runtime_metadata {
            return;
        }
        let is_its = |seen: &Decided| seen.container.as_deref() == Some(container);
        let has_it = |known: &Known| known.lists.iter().any(is_its);
        let of_it = self.known.iter().filter(|(_, known)| has_it(known));
        let ids: Vec<u64> = of_it.map(|(id, _)| *id).collect();
        for id in ids {
            let Some(mut known) = self.known.remove(&id) else {
                continue;
            };
            for seen in known.lists.iter_mut().filter(|seen| is_its(seen)) {
                *seen = self.decide(std::mem::take(&mut seen.list), state);
            }
            self.known.insert(id, known);
            self.tell(id);
        }
    }

    fn decide(&mut self, list: Box<[u8]>, state: &State) -> Decided {
        let found = state::container_of(Some(&list));
        let container: Option<Box<[u8]>> = found.map(|found| found.id().into());
        let info = container.as_deref().and_then(|id| state.container(id));
        // The filter needs metadata that the container's runtime has not reported yet.
        let is_undescribed = self.needs_runtime_metadata && container.is_some() && info.is_none();
        Decided {
            is_out: !is_undescribed && !self.passes(&list, info),
            list,
            container,
        }
    }

    /// Tells the kernel about a cgroup if its exclusion has changed. It is excluded if all of its lists are.
    fn tell(&mut self, id: u64) {
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        let is_out = !known.has_more && known.lists.iter().all(|seen| seen.is_out);
        if is_out != known.is_out {
            known.is_out = is_out;
            (self.update_kernel)(id, is_out);
        }
    }

    /// Evaluates the filter for a thread in these cgroups.
    fn passes(&mut self, list: &[u8], info: Option<&ContainerInfo>) -> bool {
        const TID: i64 = 1;
        let mut snapshot = Snapshot::default();
        let thread = ThreadEntry {
            tid: Tid(TID),
            pid: Pid(TID),
            cgroups: snapshot.strings.intern(list),
            ..ThreadEntry::default()
        };
        snapshot.threads.push(thread);
        if let Some(info) = info {
            let entry = ContainerEntry {
                json: snapshot.strings.intern(info.to_json().as_bytes()),
                ..ContainerEntry::default()
            };
            snapshot.containers.push(entry);
        }
        let mut state = State::new();
        state.restore(&snapshot);
        let Some(params) = Params::new(&[], &[]) else {
            return true;
        };
        let event = Event {
            tid: Tid(TID),
            pid: Pid(TID),
            ..synthetic_event(Timestamp(0), types::GENERIC_X, params)
        };
        let view = state.view(&event);
        self.filter.matches(&Context {
            event: &event,
            view: &view,
            session: &self.session,
        })
    }
}

/// The hierarchy in which containers have cgroups of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// The controller of a v1 hierarchy; `None` = the unified one.
    pub(super) controller: Option<&'static str>,
    /// Mount point of the hierarchy.
    mount: Option<PathBuf>,
}

impl Hierarchy {
    /// Finds the hierarchy: container runtimes use the controllers' own hierarchies where these exist.
    pub(super) fn find(host: &Host) -> Self {
        let read = |path: String| fs::read_to_string(path).ok();
        let own = read(format!("{}/self/cgroup", host.proc())).unwrap_or_default();
        let controllers = |line: &'_ str| line.split(':').nth(1).unwrap_or_default().to_owned();
        let controller = CGROUP_CONTROLLERS.into_iter().rev().find(|name| {
            own.lines()
                .any(|line| controllers(line).split(',').any(|c| c == in_v1(name)))
        });
        let mounts = read(format!("{}/1/mountinfo", host.proc()))
            .or_else(|| read(format!("{}/self/mountinfo", host.proc())))
            .unwrap_or_default();
        let mount = mounts.lines().find_map(|line| mounted(line, controller));
        Self {
            controller,
            mount: mount.map(|at| host.path(at)),
        }
    }

    /// Determines how procfs shows the paths of cgroups to this process.
    pub(super) fn paths(&self, host: &Host) -> CgroupPaths {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = mounts
            .lines()
            .find_map(|line| mounted(line, self.controller));
        CgroupPaths::find(host, self.mount.as_deref(), own.map(Path::new))
    }

    /// Returns the id of the cgroup in a list of cgroups: the inode of its directory.
    pub(super) fn id(&self, list: &[u8]) -> Option<u64> {
        let name = self.controller.map_or("", in_v1);
        let path = list
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        let path = std::str::from_utf8(path).ok()?;
        let directory = self.mount.as_ref()?.join(path.trim_start_matches('/'));
        Some(fs::metadata(directory).ok()?.ino())
    }

    /// Returns the value for the probe: the index of the controller, given those of all controllers.
    pub(super) fn index(&self, subsystems: &[u32; CGROUP_CONTROLLERS.len()]) -> u32 {
        let at = |controller| CGROUP_CONTROLLERS.iter().position(|c| *c == controller);
        self.controller
            .and_then(at)
            .and_then(|at| subsystems.get(at).copied())
            .unwrap_or(MISSING)
    }
}

/// The name of a kernel controller in /proc and in lists of cgroups.
fn in_v1(controller: &str) -> &str {
    match controller {
        "io" => "blkio",
        other => other,
    }
}

/// Returns the mount point if a line of mountinfo is about the hierarchy of a controller, or the unified one.
pub(super) fn mounted<'a>(line: &'a str, controller: Option<&str>) -> Option<&'a str> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut words = file_system.split(' ');
    let (kind, options) = (words.next()?, words.nth(1)?);
    let is_it = match controller {
        None => kind == "cgroup2",
        Some(controller) => {
            kind == "cgroup" && options.split(',').any(|option| option == in_v1(controller))
        }
    };
    is_it.then(|| mount.split(' ').nth(4)).flatten()
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    const DOCKER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn list(path: &str) -> Vec<u8> {
        format!("cpuset=/\0memory={path}\0=/\0").into_bytes()
    }

    /// The updates sent to the kernel: ids, and whether they are excluded.
    type Updates = Rc<RefCell<Vec<(u64, bool)>>>;

    fn cgroups(filter: &str) -> Option<(Cgroups, Updates)> {
        let filter = Filter::parse(filter).unwrap();
        let updates = Updates::default();
        let sent = Rc::clone(&updates);
        let cgroups = Cgroups::new(
            Some(&filter),
            Box::new(move |id, out| sent.borrow_mut().push((id, out))),
        );
        Some((cgroups?, updates))
    }

    fn describe(state: &mut State, json: &str) {
        let mut snapshot = state.snapshot();
        let json = snapshot.strings.intern(json.as_bytes());
        snapshot.containers.push(ContainerEntry {
            json,
            ..ContainerEntry::default()
        });
        state.restore(&snapshot);
    }

    #[test]
    fn the_host_and_other_containers_are_out() {
        let (mut cgroups, updates) =
            cgroups("evt.type=read and container.id=0123456789ab and fd.num>2").unwrap();
        let state = State::new();
        cgroups.seen(7, &list(&format!("/docker/{DOCKER}")), &state);
        cgroups.seen(8, &list("/user.slice"), &state);
        cgroups.seen(
            9,
            &list(&format!("/docker/{}", DOCKER.replace("01", "ff"))),
            &state,
        );
        cgroups.seen(8, &list("/user.slice"), &state);
        assert_eq!(*updates.borrow(), [(8, true), (9, true)]);
    }

    #[test]
    fn names_decide_once_they_are_described() {
        let (mut cgroups, updates) = cgroups("container.name=web").unwrap();
        let mut state = State::new();
        let path = list(&format!("/docker/{DOCKER}"));
        cgroups.seen(7, &path, &state);
        assert_eq!(*updates.borrow(), []);
        describe(
            &mut state,
            r#"{"container":{"id":"0123456789ab","name":"db"}}"#,
        );
        cgroups.described(b"0123456789ab", &state);
        assert_eq!(*updates.borrow(), [(7, true)]);
        // It is renamed.
        describe(
            &mut state,
            r#"{"container":{"id":"0123456789ab","name":"web"}}"#,
        );
        cgroups.described(b"0123456789ab", &state);
        assert_eq!(*updates.borrow(), [(7, true), (7, false)]);
    }

    #[test]
    fn only_what_must_hold_counts() {
        for filter in [
            "evt.type=read",
            "container.id=0123456789ab or evt.type=read",
            "container.duration>10",
            "container.id=0123456789ab and evt.num<100",
            "not (container.id=0123456789ab and evt.type=read)",
        ] {
            assert!(cgroups(filter).is_none(), "{filter}");
        }
        for filter in [
            "container.id!=host and evt.type=read",
            "not container.image contains busybox",
            "(k8s.ns.name=default or container.id=0123456789ab) and proc.name=sh",
        ] {
            assert!(cgroups(filter).is_some(), "{filter}");
        }
    }

    #[test]
    fn a_thread_on_its_way_into_a_container_does_not_let_the_host_in() {
        let (mut cgroups, updates) = cgroups("container.name=web").unwrap();
        let state = State::new();
        let host = b"cpu=/\0memory=/\0";
        let halfway = format!("cpu=/docker/{DOCKER}\0memory=/\0").into_bytes();
        let inside = format!("cpu=/docker/{DOCKER}\0memory=/docker/{DOCKER}\0").into_bytes();
        cgroups.seen(1, host, &state);
        cgroups.moved(1, &halfway, &state);
        cgroups.moved(7, &inside, &state);
        assert_eq!(*updates.borrow(), [(1, true)]);
        // One that stays there is recorded, whatever else is in the same cgroup.
        cgroups.seen(1, &halfway, &state);
        cgroups.seen(1, host, &state);
        assert_eq!(*updates.borrow(), [(1, true), (1, false)]);
    }

    #[test]
    fn a_cgroup_with_too_many_lists_is_recorded() {
        let (mut cgroups, updates) = cgroups("container.id!=host").unwrap();
        let state = State::new();
        for number in 0..=MAX_LISTS {
            cgroups.seen(1, format!("cpu=/{number}\0memory=/\0").as_bytes(), &state);
        }
        assert_eq!(*updates.borrow(), [(1, true), (1, false)]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (mut cgroups, updates) = cgroups("container.id!=host").unwrap();
        let state = State::new();
        for id in 0..MAX_CGROUPS as u64 + 1 {
            cgroups.seen(id, &list("/user.slice"), &state);
        }
        assert_eq!(cgroups.known.len(), MAX_CGROUPS);
        assert_eq!(updates.borrow().iter().filter(|(_, out)| !out).count(), 1);
    }

    #[test]
    fn mounts_are_found_by_hierarchy() {
        let v1 = "31 29 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory";
        let both = "31 29 0:27 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct";
        let v2 = "30 29 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(mounted(v1, Some("memory")), Some("/sys/fs/cgroup/memory"));
        assert_eq!(mounted(both, Some("cpuacct")), Some("/cg/cpu"));
        assert_eq!(mounted(v1, None), None);
        assert_eq!(mounted(v2, None), Some("/sys/fs/cgroup/unified"));
        assert_eq!(mounted(v2, Some("memory")), None);
        assert_eq!(mounted("", None), None);
    }
}
