//! `ka.req.pod.*` and the older `ka.req.container.*`: the pod that a request creates or changes.

use super::super::info::{ArgForm, FieldFlags, FieldInfo, text};
use super::super::{Context, Field, FieldArg, Scratch, Value};
use super::ka::{LIST, REQUEST, SPEC};
use super::walk::{List, Missing, each, flat, index, list, one};
use super::{in_event, scalar, text_of};
use crate::audit::json::{Json, Kind};

/// A list field of each container of one kind. `$kind` is the key of the containers in the pod.
macro_rules! of_containers {
    ($kind:literal, $($name:literal, $meaning:literal, $missing:ident, $keys:expr, $add:expr;)*) => {
        [$(text(
            concat!("ka.req.pod.", $kind, ".", $name),
            concat!($meaning, " of the ", $kind, " of a pod"),
            |field, cx, scratch| {
                const KEYS: &[&str] = &$keys;
                let path = Path::new($kind, KEYS);
                list(field, cx, scratch, path.keys(), Missing::$missing, $add)
            },
        )
        .arg(ArgForm::OptIndex)
        .flag(LIST)
        .of_plugin()),*]
    };
}

/// The keys from an event to a value in its containers.
struct Path {
    keys: [&'static str; 6],
    len: usize,
}

impl Path {
    fn new(kind: &'static str, rest: &[&'static str]) -> Self {
        let mut keys = [""; 6];
        let all = [REQUEST, SPEC, kind]
            .into_iter()
            .chain(rest.iter().copied());
        let mut len = 0;
        for (slot, key) in keys.iter_mut().zip(all) {
            *slot = key;
            len += 1;
        }
        Self { keys, len }
    }

    fn keys(&self) -> &[&'static str] {
        self.keys.get(..self.len).unwrap_or_default()
    }
}

/// The fields that every kind of container has.
macro_rules! every_kind {
    ($kind:literal, $($more:tt)*) => {
        of_containers![
            $kind,
            "name", "names", Fail, ["name"], one;
            "image", "images", Fail, ["image"], one;
            "image.repository", "images without tag and digest", Fail, ["image"], repositories;
            "args", "arguments", Skip, ["args"], words;
            "command", "commands", Skip, ["command"], words;
            "privileged", "flags privileged", Skip, ["securityContext", "privileged"], one;
            "allow_privilege_escalation", "flags allowPrivilegeEscalation", Skip,
                ["securityContext", "allowPrivilegeEscalation"], one;
            "read_only_fs", "flags readOnlyRootFilesystem", Skip,
                ["securityContext", "readOnlyRootFilesystem"], one;
            "run_as_user", "uids", Skip, ["securityContext", "runAsUser"], one;
            "run_as_group", "gids", Skip, ["securityContext", "runAsGroup"], one;
            "proc_mount", "values of procMount", Skip, ["securityContext", "procMount"], one;
            "add_capabilities", "names of capabilities added", Skip,
                ["securityContext", "capabilities", "add"], flat;
            $($more)*
        ]
    };
}

/// The field `eff_run_as_user` or `eff_run_as_group` of one kind of container.
macro_rules! effective {
    ($kind:literal, $name:literal, $meaning:literal, $key:literal) => {
        text(
            concat!("ka.req.pod.", $kind, ".", $name),
            concat!(
                $meaning,
                " of the ",
                $kind,
                " of a pod: their own, else the pod's, else 0"
            ),
            |field, cx, scratch| effective_id(field, cx, scratch, $kind, $key),
        )
        .arg(ArgForm::OptIndex)
        .flag(LIST)
        .of_plugin()
    };
}

macro_rules! effective_ids {
    ($($kind:literal),*) => {
        [$(
            effective!($kind, "eff_run_as_user", "effective uids", "runAsUser"),
            effective!($kind, "eff_run_as_group", "effective gids", "runAsGroup"),
        )*]
    };
}

pub(super) const CONTAINERS: &[FieldInfo] = &every_kind![
    "containers",
    "host_port", "host ports, else container ports,", Skip, ["ports"], host_ports;
];
pub(super) const INIT_CONTAINERS: &[FieldInfo] = &every_kind![
    "initContainers",
    "host_port", "host ports, else container ports,", Skip, ["ports"], host_ports;
];
pub(super) const EPHEMERAL_CONTAINERS: &[FieldInfo] = &every_kind!["ephemeralContainers",];
pub(super) const EFFECTIVE_IDS: &[FieldInfo] =
    &effective_ids!["containers", "initContainers", "ephemeralContainers"];

pub(super) const POD: &[FieldInfo] = &[
    text(
        "ka.req.pod.supplemental_groups",
        "supplemental groups of a pod",
        supplemental_groups,
    )
    .flag(LIST)
    .of_plugin(),
    volumes_field("ka.req.pod.volumes.hostpath", "paths of the host that a pod mounts", host_paths),
    volumes_field(
        "ka.req.pod.volumes.flexvolume_driver",
        "flexVolume drivers of a pod",
        flex_drivers,
    ),
    volumes_field("ka.req.pod.volumes.volume_type", "kinds of the volumes of a pod", volume_types),
    text(
        "ka.req.volume.hostpath",
        "whether a pod mounts this path of the host: ka.req.volume.hostpath[/etc]; `*` at the end for all below",
        mounts_path,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .of_plugin(),
    old("ka.req.container.image", "image of the first container", first_image),
    old(
        "ka.req.container.image.repository",
        "image of the first container without tag and digest",
        first_repository,
    ),
    old("ka.req.container.host_network", "as ka.req.pod.host_network", host_network),
    old("ka.req.container.privileged", "whether any container is privileged", any_privileged),
];

type Extract = for<'a> fn(&'a Field, &Context<'a>, &'a mut Scratch) -> Option<Value<'a>>;

const fn old(name: &'static str, meaning: &'static str, extract: Extract) -> FieldInfo {
    text(name, meaning, extract)
        .flag(FieldFlags::DEPRECATED)
        .of_plugin()
}

const fn volumes_field(name: &'static str, meaning: &'static str, extract: Extract) -> FieldInfo {
    text(name, meaning, extract)
        .arg(ArgForm::OptIndex)
        .flag(LIST)
        .of_plugin()
}

const VOLUMES: [&str; 3] = [REQUEST, SPEC, "volumes"];
const HOST_PATHS: [&str; 5] = [REQUEST, SPEC, "volumes", "hostPath", "path"];
const CONTAINER_LIST: [&str; 3] = [REQUEST, SPEC, "containers"];

extract! {
    supplemental_groups = |field, cx, scratch| {
        let keys = [REQUEST, SPEC, "securityContext", "supplementalGroups"];
        list(field, cx, scratch, &keys, Missing::Skip, flat)
    };
    host_paths = |field, cx, scratch| {
        list(field, cx, scratch, &HOST_PATHS, Missing::Skip, one)
    };
    flex_drivers = |field, cx, scratch| {
        let keys = [REQUEST, SPEC, "volumes", "flexVolume", "driver"];
        list(field, cx, scratch, &keys, Missing::Skip, one)
    };
    volume_types = |field, cx, scratch| {
        list(field, cx, scratch, &VOLUMES, Missing::Skip, |list, volumes| {
            each_selected(field, volumes, |volume| {
                for (key, _) in volume.members().filter(|(key, _)| !key.is("name")) {
                    list.add(|out| key.write(out));
                }
            });
        })
    };
    mounts_path = |field, cx, _| {
        let FieldArg::Name(wanted) = &field.arg else {
            return None;
        };
        in_event(cx, |event| {
            event.path(&VOLUMES)?;
            let mut found = false;
            each(event, &HOST_PATHS, None, &mut |path| {
                let mut text = Vec::new();
                if let Some(path) = path {
                    path.write(&mut text);
                }
                found |= match wanted.strip_suffix('*') {
                    Some(prefix) => path.is_some() && text.starts_with(prefix.as_bytes()),
                    None => path.is_some() && text == wanted.as_bytes(),
                };
            });
            Some(truth(found))
        })
    };
    first_image = |_, cx, scratch| in_event(cx, |event| {
        text_of(event.path(&CONTAINER_LIST)?.items().next()?.get("image")?, scratch)
    });
    first_repository = |_, cx, scratch| in_event(cx, |event| {
        let image = event.path(&CONTAINER_LIST)?.items().next()?.get("image")?;
        scratch.text(|out| repository(out, image))
    });
    host_network = |_, cx, scratch| scalar(cx, scratch, &[REQUEST, SPEC, "hostNetwork"]);
    any_privileged = |_, cx, _| in_event(cx, |event| {
        let containers = event.path(&CONTAINER_LIST)?;
        let mut flags = containers.items().filter_map(|c| c.path(&["securityContext", "privileged"]));
        Some(truth(flags.any(|flag| flag.raw() == b"true")))
    });
}

fn truth(value: bool) -> Value<'static> {
    Value::Text(if value { b"true" } else { b"false" })
}

/// Calls `see` with the elements of an array that the field's argument selects.
fn each_selected<'d, 't>(field: &Field, array: Json<'d, 't>, see: impl FnMut(Json<'d, 't>)) {
    match index(field) {
        Some(index) => array.items().nth(index).into_iter().for_each(see),
        None => array.items().for_each(see),
    }
}

fn repositories(list: &mut List<'_>, image: Json<'_, '_>) {
    list.add(|out| repository(out, image));
}

/// Appends an image without its digest and its tag. A colon before a slash is of the registry's port.
fn repository(out: &mut Vec<u8>, image: Json<'_, '_>) {
    let start = out.len();
    image.write(out);
    let name = out.get(start..).unwrap_or_default();
    let name = name.split(|b| *b == b'@').next().unwrap_or_default();
    let slash = memchr::memrchr(b'/', name).map_or(0, |at| at + 1);
    let tag = memchr::memchr(b':', name.get(slash..).unwrap_or_default());
    let len = tag.map_or(name.len(), |tag| slash + tag);
    out.truncate(start + len);
}

/// Adds the words of a command as one text.
fn words(list: &mut List<'_>, command: Json<'_, '_>) {
    list.add(|out| {
        if command.kind() != Kind::Array {
            return command.write(out);
        }
        for (index, word) in command.items().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            word.write(out);
        }
    });
}

fn host_ports(list: &mut List<'_>, ports: Json<'_, '_>) {
    for port in ports.items() {
        if let Some(number) = port.get("hostPort").or_else(|| port.get("containerPort")) {
            list.value(number);
        }
    }
}

/// The uids or gids with which the containers of a pod run.
fn effective_id<'a>(
    field: &Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
    kind: &'static str,
    key: &'static str,
) -> Option<Value<'a>> {
    let mut of_pod = Vec::new();
    let id = in_event(cx, |event| {
        event
            .path(&[REQUEST, SPEC, "securityContext", key])
            .map(|id| id.write(&mut of_pod))
    });
    if id.is_none() {
        of_pod.push(b'0');
    }
    let path = Path::new(kind, &[]);
    list(
        field,
        cx,
        scratch,
        path.keys(),
        Missing::Skip,
        |list, containers| {
            each_selected(field, containers, |container| {
                match container.path(&["securityContext", key]) {
                    Some(id) => list.value(id),
                    None => list.add(|out| out.extend_from_slice(&of_pod)),
                }
            });
        },
    )
}
