//! Paths of cgroups as machines have them.

use super::*;

/// The id of a container, and of another one.
const A: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";
const B: &str = "b0b9e5e1a7f34f0e2d9f4b8ad3a2e5a6c1f0d7e8a9b6c5d4e3f2a1b0c9d8e7f6";

/// The result of `container_of`: displayed id, full id, runtime (`?` if the layout does not determine it).
fn found(cgroups: &str) -> Option<(String, String, &'static str)> {
    let found = container_of(Some(cgroups.as_bytes()))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let runtime = found.runtime.unwrap_or("?");
    Some((text(found.id()), text(&found.full_id), runtime))
}

/// The cgroups of a machine where every subsystem has this path.
fn everywhere(path: &str) -> String {
    let names = ["cpuset", "cpu", "cpuacct", "blkio", "memory"];
    names.map(|name| format!("{name}={path}\0")).concat()
}

/// Paths (`A` and `B` are ids) of containers that are known by their full id, with the runtime.
const WITH_IDS: &[(&str, &str)] = &[
    // Docker: cgroupfs driver, systemd driver, rootless, given another parent.
    ("/docker/A", "docker"),
    ("/system.slice/docker-A.scope", "docker"),
    (
        "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-A.scope",
        "docker",
    ),
    ("/machines.slice/docker-A.scope", "docker"),
    ("/actions_job/A", "?"),
    ("/ecs/2c1e6bcd0f1f4bb0b3f9a7bb8f1b1b10/A", "?"),
    // Cgroups made inside of it: by systemd, by hand, by a test.
    ("/docker/A/init.scope", "docker"),
    ("/docker/A/sub/x", "docker"),
    ("/docker/A/system.slice/cron.service", "docker"),
    (
        "/system.slice/docker-A.scope/system.slice/ssh.service",
        "docker",
    ),
    ("/docker/A/memory=x", "docker"),
    // Docker in Docker, and Kubernetes (kind) in Docker: the inner one.
    ("/docker/B/docker/A", "docker"),
    ("/system.slice/docker-B.scope/docker/A", "docker"),
    ("/docker/B/system.slice/docker-A.scope", "docker"),
    (
        "/docker/B/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod6a1d4a9a_4b9e.slice/cri-containerd-A.scope",
        "containerd",
    ),
    (
        "/docker/B/kubelet/kubepods/burstable/pod6a1d4a9a-4b9e-4d4e-8f3c-1f2e3d4c5b6a/A",
        "?",
    ),
    // Kubernetes: QoS classes; systemd and cgroupfs drivers; containerd, CRI-O, dockershim.
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8a9d5f4c_2f0c_4b7e_9d7f_5d1c3a1f2b3e.slice/cri-containerd-A.scope",
        "containerd",
    ),
    (
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod8a9d5f4c_2f0c.slice/crio-A.scope",
        "cri-o",
    ),
    (
        "/kubepods.slice/kubepods-pod8a9d5f4c_2f0c.slice/crio-A.scope/container",
        "cri-o",
    ),
    (
        "/kubepods.slice/kubepods-pod8a9d5f4c_2f0c.slice/docker-A.scope",
        "docker",
    ),
    (
        "/kubepods/burstable/pod8a9d5f4c-2f0c-4b7e-9d7f-5d1c3a1f2b3e/A",
        "?",
    ),
    (
        "/kubepods/besteffort/pod8a9d5f4c-2f0c-4b7e-9d7f-5d1c3a1f2b3e/crio-A",
        "cri-o",
    ),
    (
        "/kubepods/pod8a9d5f4c-2f0c-4b7e-9d7f-5d1c3a1f2b3e/A/init.scope",
        "?",
    ),
    (
        "/system.slice/containerd.service/kubepods-burstable-pod8a9d5f4c_2f0c.slice:cri-containerd:A",
        "containerd",
    ),
    (
        "/kubepods-besteffort-pod8a9d5f4c_2f0c.slice:cri-containerd:A",
        "containerd",
    ),
    // nerdctl, and ctr with an id of 64 digits.
    ("/system.slice/nerdctl-A.scope", "containerd"),
    (
        "/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-A.scope",
        "containerd",
    ),
    ("/default/A", "containerd"),
    ("/k8s.io/A", "containerd"),
    // Podman: systemd and cgroupfs drivers, split cgroups, rootless, pods.
    ("/machine.slice/libpod-A.scope", "podman"),
    ("/machine.slice/libpod-A.scope/container", "podman"),
    ("/machine.slice/libpod-A.scope/container/sub", "podman"),
    ("/libpod_parent/libpod-A", "podman"),
    (
        "/machine.slice/machine-libpod_pod_B.slice/libpod-A.scope/container",
        "podman",
    ),
    ("/system.slice/web.service/libpod-payload-A", "podman"),
    (
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-A.scope",
        "podman",
    ),
    (
        "/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_B.slice/libpod-A.scope/container",
        "podman",
    ),
    (
        "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-A",
        "podman",
    ),
    // Inside others.
    ("/lxc/web/docker/A", "docker"),
    ("/lxc.payload.ci/system.slice/docker-A.scope", "docker"),
    ("/machine.slice/machine-ci.scope/payload/docker/A", "docker"),
];

/// Paths of containers with names: the name and the runtime.
const WITH_NAMES: &[(&str, &str, &str)] = &[
    ("/lxc/web", "web", "lxc"),
    ("/lxc/a-name-of-its-own", "a-name-of-its-own", "lxc"),
    ("/lxc/101/ns", "101", "lxc"),
    ("/lxc/web/init.scope", "web", "lxc"),
    ("/lxc.payload/web/system.slice/ssh.service", "web", "lxc"),
    ("/lxc.payload.web", "web", "lxc"),
    ("/lxc.payload.web/user.slice/user-0.slice", "web", "lxc"),
    ("/lxc.payload.outer/lxc.payload.inner", "inner", "lxc"),
    (
        "/user.slice/user-1000.slice/session-3.scope/lxc/web",
        "web",
        "lxc",
    ),
    ("/libvirt/lxc/vm1", "vm1", "libvirt-lxc"),
    ("/machine/vm1.libvirt-lxc", "vm1", "libvirt-lxc"),
    (
        r"/machine.slice/machine-lxc\x2dvm1.scope",
        "vm1",
        "libvirt-lxc",
    ),
    (
        r"/machine.slice/machine-lxc\x2d2113\x2dvm1.scope/libvirt",
        r"2113\x2dvm1",
        "libvirt-lxc",
    ),
    ("/system.slice/runc-bpm-uaa.scope", "uaa", "bpm"),
    ("/system.slice/bpm-nats-tls.1.scope", "nats-tls.1", "bpm"),
    (
        "/machine.slice/machine-deb12.scope",
        "deb12",
        "systemd-nspawn",
    ),
    (
        "/machine.slice/machine-deb12.scope/payload/init.scope",
        "deb12",
        "systemd-nspawn",
    ),
    (
        r"/machine.slice/machine-my\x2dweb.scope",
        "my-web",
        "systemd-nspawn",
    ),
    (
        r"/machine.slice/systemd-nspawn@my\x2dweb.service/payload/system.slice/cron.service",
        "my-web",
        "systemd-nspawn",
    ),
    (
        r"/system.slice/system-systemd\x2dnspawn.slice/systemd-nspawn@deb12.service",
        "deb12",
        "systemd-nspawn",
    ),
    ("/default/web", "web", "containerd"),
    ("/default/web/init.scope", "web", "containerd"),
    ("/my-team.prod/web_1", "web_1", "containerd"),
    (
        "/buildkit/pyhx9u1zd7rm2jx5c1m9bc6oc",
        "pyhx9u1zd7rm",
        "containerd",
    ),
];

/// Paths of the host.
const OF_THE_HOST: &[&str] = &[
    "/",
    "",
    "/init.scope",
    "/system.slice",
    "/system.slice/cron.service",
    "/system.slice/docker.service",
    "/system.slice/containerd.service",
    "/system.slice/lxc.service",
    "/system.slice/libvirtd.service",
    "/system.slice/x.service/y",
    "/system.slice/snap.lxd.daemon.service",
    r"/system.slice/system-getty.slice/getty@tty1.service",
    r"/system.slice/systemd-udevd.service/udev",
    "/user.slice",
    "/user.slice/user-0.slice/session-1.scope",
    "/user.slice/user-1000.slice/user@1000.service/init.scope",
    "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-org.gnome.Terminal-4711.scope",
    "/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service",
    "/user.slice/user-1000.slice/user@1000.service/user.slice/podman-4711.scope",
    // Processes that manage containers.
    "/machine.slice/libpod-conmon-A.scope",
    "/system.slice/crio-conmon-A.scope",
    "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-conmon-A.scope",
    "/libpod_parent/conmon",
    "/lxc.monitor.web",
    "/lxc.monitor/web",
    "/machine.slice/machine-deb12.scope/supervisor",
    r"/machine.slice/systemd-nspawn@deb12.service/supervisor",
    "/kubepods.slice/kubepods-burstable.slice",
    "/kubepods/burstable/pod8a9d5f4c-2f0c-4b7e-9d7f-5d1c3a1f2b3e",
    "/kubepods/burstable",
    "/kubelet/kubepods",
    "/docker",
    // Virtual machines.
    r"/machine.slice/machine-qemu\x2d1\x2dwin10.scope/libvirt/emulator",
    r"/machine/qemu-1-win10.libvirt-qemu/emulator",
    // Job schedulers, Android, old init systems.
    "/slurm/uid_1000/job_7/step_batch",
    "/slurmd/uid_1000/job_7/step_batch",
    "/system.slice/slurmstepd.scope/job_7/step_0/user/task_0",
    "/uid_10123/pid_4567",
    "/apps/uid_10123/pid_4567",
    "/openrc.sshd",
    // Texts that are only similar to an id.
    "/docker/3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601",
    "/docker/A0",
    "/system.slice/docker-A.service",
    "/a b/c",
    "/-/x",
    "/a/",
    "//a",
    "/a//b",
];

fn with_ids(path: &str) -> String {
    // Only complete components are replaced by ids.
    let parts = path.split_inclusive(['/', '-', ':', '_']);
    parts
        .map(|part| {
            let end = part.find(['/', '.', '-', ':', '_']).unwrap_or(part.len());
            let id = match &part[..end] {
                "A" => A,
                "B" => B,
                other => other,
            };
            format!("{id}{}", &part[end..])
        })
        .collect()
}

#[test]
fn ids_of_all_layouts() {
    for (path, runtime) in WITH_IDS {
        let path = with_ids(path);
        let expected = Some((A[..12].to_owned(), A.to_owned(), *runtime));
        assert_eq!(found(&everywhere(&path)), expected, "{path}");
        // One subsystem is enough, also the unified hierarchy's entry, which has no name.
        for cgroups in [
            format!("cpuset=/\0memory={path}\0"),
            format!("cpuset={path}\0memory=/\0"),
            format!("name=systemd={path}\0=/\0"),
            format!("={path}\0"),
        ] {
            assert_eq!(found(&cgroups), expected, "{cgroups}");
        }
    }
}

#[test]
fn names_of_all_layouts() {
    for (path, name, runtime) in WITH_NAMES {
        let (id, full, by) = found(&everywhere(path)).unwrap();
        assert_eq!((&*id, by), (*name, *runtime), "{path}");
        assert!(full.starts_with(name), "{path}");
        assert_eq!(found(&format!("={path}\0")).unwrap().0, *name, "{path}");
    }
}

#[test]
fn the_host_is_no_container() {
    for path in OF_THE_HOST {
        let path = with_ids(path);
        assert_eq!(found(&everywhere(&path)), None, "{path}");
        assert_eq!(found(&format!("={path}\0")), None, "{path}");
    }
    for cgroups in ["", "x", "=", "cpuset", "\0\0=\0"] {
        assert_eq!(found(cgroups), None, "{cgroups}");
    }
    assert_eq!(container_of(None), None);
}

/// A machine with both hierarchies where some processes have a cgroup of their own for their memory.
#[test]
fn a_cgroup_made_by_hand_is_no_container() {
    let by_hand = "/process_api/f227f743319c0dfc6243780a05162d4f";
    for one in ["memory", "cpu", "blkio"] {
        let others = ["cpuset", "cpu", "cpuacct", "blkio", "memory", "pids"];
        let paths = others.map(|name| {
            let path = if name == one { by_hand } else { "/" };
            format!("{name}={path}\0")
        });
        assert_eq!(found(&paths.concat()), None, "{one}");
    }
    // As created by containerd: other subsystems can be missing, or have other paths.
    let made = "cpuset=/default/web\0cpu=/default/web/x\0cpuacct=/\0memory=/default/web\0=/\0";
    assert_eq!(found(made).unwrap().0, "web");
    assert_eq!(
        found("cpuset=/default/web\0cpu=/default/other\0"),
        None,
        "it cannot be in two"
    );
}

#[test]
fn the_layout_tells_the_runtime() {
    let runtime = |cgroups: &[u8]| container_of(Some(cgroups))?.runtime;
    let docker = everywhere(&with_ids("/docker/A"));
    assert_eq!(runtime(docker.as_bytes()), Some("docker"));
    let pod = everywhere(&with_ids("/kubepods/besteffort/pod1/A"));
    assert_eq!(runtime(pod.as_bytes()), None);
    assert_eq!(runtime(b"memory=/\0"), None);
}

#[test]
fn escapes_of_systemd() {
    for (name, plain) in [
        (r"a\x2db", "a-b"),
        (r"a\x2", r"a\x2"),
        (r"\x", r"\x"),
        (r"\xzz\x41", r"\xzzA"),
        ("\\", "\\"),
    ] {
        assert_eq!(&*unescaped(name.as_bytes()), plain.as_bytes(), "{name}");
    }
}

#[test]
fn a_hostile_path_costs_its_length() {
    let mut path = b"memory=".to_vec();
    path.extend(b"/system.slice".repeat(5_000));
    assert_eq!(container_of(Some(&path)), None);
    path.extend(b"/lxc.payload.\xff\x1b[2J");
    let found = container_of(Some(&path)).unwrap();
    assert_eq!(found.id(), b"\xff\x1b[2J");
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
fn slices_of_users() {
    for (cgroups, user) in [
        (
            &b"=/user.slice/user-1000.slice/user@1000.service/a\0"[..],
            Some(1000),
        ),
        (b"memory=/\0=/user.slice/user-0.slice\0", Some(0)),
        (b"=/user.slice/user-1000.slicer\0", None),
        (b"=/user.slice/user-.slice\0", None),
        (b"=/user.slice/user-99999999999.slice\0", None),
        (b"=/docker/user-1\0", None),
        (b"", None),
    ] {
        assert_eq!(user_of(cgroups), user, "{}", cgroups.escape_ascii());
    }
}
