//! Recorders in containers: they record the machine and all of its containers, with what is documented that
//! they need and no more (docs/kubernetes.md).

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    contained::said,
    cri_client::Wanted,
    runtimes::{Containerd, Docker, IMAGE},
    tools::{Bench, bench, scap},
};

/// What the program needs of the machine besides itself, since it is not linked statically here.
const LIBRARIES: [&str; 3] = ["/usr", "/lib", "/lib64"];
/// The file that processes of another container open all the time.
const IN_WEB: &str = "/etc/hostname";
/// And those of the recorder's own.
const IN_OWN: &str = "/host/etc/os-release";
/// And those of the machine.
const ON_MACHINE: &str = "/etc/debian_version";

/// Opens a file of a container again and again.
fn opening(path: &str) -> String {
    format!("while cat {path}; do sleep 0.1; done >/dev/null 2>&1")
}

/// What the shell of a recorder's container runs; `options` are the recorder's.
fn script(options: &str) -> String {
    let own = opening(IN_OWN);
    let record = "/work/scap record -q -M 2 --host-root /host";
    format!("({own}) & {record} {options} 2>/work/said; echo $? >/work/code")
}

/// Processes of the machine that open [`ON_MACHINE`], until it is dropped.
struct OnMachine(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl OnMachine {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                drop(Command::new("/bin/cat").arg(ON_MACHINE).output());
                thread::sleep(Duration::from_millis(100));
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for OnMachine {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        drop(self.1.take().map(JoinHandle::join));
    }
}

/// Puts the program where containers find it, and returns the directory that they share with the test.
fn shared(bench: &Bench) -> String {
    fs::copy(env!("CARGO_BIN_EXE_scap"), bench.path("scap")).unwrap();
    bench.dir.path().to_str().unwrap().to_owned()
}

/// Checks that the recorder has ended well, and what its capture says of whom; `recorder` is the name of
/// its own container.
fn check(bench: &Bench, capture: &str, recorder: &str) {
    let text = |name: &str| fs::read_to_string(bench.path(name)).unwrap_or_default();
    assert_eq!(text("code").trim(), "0", "{}", text("said"));
    let of = |path: &str| {
        let filter = format!("proc.name=cat and evt.type=openat and fd.name={path}");
        let said = said(bench, capture, &["container.name"], &[&filter]);
        let names: BTreeSet<&str> = said.keys().map(|line| line[1].as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of(IN_WEB), "web");
    assert_eq!(of(ON_MACHINE), "host");
    assert_eq!(of(IN_OWN), recorder);
    // Threads that were there before are known by the numbers of the machine, with files and arguments.
    let own = format!("proc.pid={}", std::process::id());
    let fields = ["container.id", "proc.exepath", "proc.ppid"];
    let known = said(bench, capture, &fields, &[&own]);
    let exe = std::env::current_exe().unwrap().display().to_string();
    let parent = std::os::unix::process::parent_id().to_string();
    for line in known.keys() {
        assert_eq!(line[1..], ["host".to_owned(), exe.clone(), parent.clone()]);
    }
    assert!(!known.is_empty(), "events of this test");
    let machine = scap()
        .args(["info", "--json"])
        .arg(bench.path(capture))
        .output();
    let machine = String::from_utf8(machine.unwrap().stdout).unwrap();
    let name = fs::read_to_string("/etc/hostname").unwrap();
    assert!(machine.contains(name.trim()), "{machine}");
}

#[test]
fn a_recorder_in_a_container_sees_the_machine() {
    let Some(bench) = bench() else { return };
    let Some(docker) = Docker::start(&bench) else {
        return;
    };
    let web = opening(IN_WEB);
    docker.run(&["run", "-d", "--name=web", IMAGE, "/bin/sh", "-c", &web]);
    let shared = shared(&bench);
    let socket = format!("/host{}", docker.socket().display());
    let _machine = OnMachine::start();
    for cgroups in ["host", "private"] {
        let capture = format!("inside-{cgroups}.scap");
        let name = format!("recorder-{cgroups}");
        let script = script(&format!("--container-socket {socket} -w /work/{capture}"));
        let mut args = vec![
            "run".to_owned(),
            "--rm".to_owned(),
            format!("--name={name}"),
            format!("--cgroupns={cgroups}"),
            "--network=host".to_owned(),
            "--cap-drop=ALL".to_owned(),
            // What stands for CAP_BPF and CAP_PERFMON where Docker does not know them.
            "--cap-add=SYS_ADMIN".to_owned(),
            "--cap-add=SYS_PTRACE".to_owned(),
            "--cap-add=DAC_READ_SEARCH".to_owned(),
            "--volume=/:/host:ro".to_owned(),
            format!("--volume={shared}:/work"),
        ];
        args.extend(LIBRARIES.map(|path| format!("--volume={path}:{path}:ro")));
        args.extend([IMAGE, "/bin/sh", "-c", &script].map(str::to_owned));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        docker.run(&args);
        check(&bench, &capture, &name);
    }
    // A command, which has another number there than the kernel has for it.
    let script = "exec /work/scap record -q --host-root /host --no-container-names -w /work/command.scap \
                  -- /bin/sh -c 'cat /etc/hostname; true'";
    let mut args = vec!["run", "--rm", "--cap-drop=ALL", "--cap-add=SYS_ADMIN"];
    args.extend(["--cap-add=SYS_PTRACE", "--cap-add=DAC_READ_SEARCH"]);
    let mounts = LIBRARIES.map(|path| format!("--volume={path}:{path}:ro"));
    let work = format!("--volume={shared}:/work");
    args.extend(mounts.iter().map(String::as_str));
    args.extend(["--volume=/:/host:ro", &work, IMAGE, "/bin/sh", "-c", script]);
    docker.run(&args);
    let fields = ["proc.args", "evt.type"];
    let command = said(
        &bench,
        "command.scap",
        &fields,
        &["evt.type in (execve, openat)"],
    );
    let of_cat = |line: &&Vec<String>| line[1] == "/etc/hostname" && line[2] == "openat";
    assert!(command.keys().any(|line| of_cat(&line)), "{command:?}");
    let known = ["/etc/hostname", "-c cat /etc/hostname; true", ""];
    assert!(
        command.keys().all(|line| known.contains(&line[1].as_str())),
        "{command:?}"
    );
}

/// Bits of the capabilities that docs/kubernetes.md names.
const CAPABILITIES: [(&str, u32); 4] = [
    ("BPF", 39),
    ("PERFMON", 38),
    ("SYS_PTRACE", 19),
    ("DAC_READ_SEARCH", 2),
];

#[test]
fn a_recorder_in_a_pod_needs_four_capabilities() {
    let Some(bench) = bench() else { return };
    let Some(containerd) = Containerd::start(&bench) else {
        return;
    };
    let shared = shared(&bench);
    let sandbox = containerd.run_pod();
    let web = opening(IN_WEB);
    let plain = Wanted {
        name: "web",
        label: ("tier", "front"),
        command: &["/bin/sh", "-c", &web],
        mounts: &[],
        capabilities: None,
    };
    containerd.run_container(&sandbox, &plain);
    let socket = format!("/host{}", containerd.socket().display());
    let script = script(&format!("--container-socket {socket} -w /work/pod.scap"));
    let script = format!("cat /proc/self/status >/work/status; {script}");
    let mut mounts = vec![("/host", "/", true), ("/work", &*shared, false)];
    mounts.extend(LIBRARIES.map(|path| (path, path, true)));
    let capabilities = CAPABILITIES.map(|(name, _)| name);
    let recorder = Wanted {
        name: "recorder",
        label: ("tier", "none"),
        command: &["/bin/sh", "-c", &script],
        mounts: &mounts,
        capabilities: Some(&capabilities),
    };
    let _machine = OnMachine::start();
    containerd.run_container(&sandbox, &recorder);
    let end = Instant::now() + Duration::from_secs(30);
    while !bench.path("code").exists() && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
    // It is written in two steps.
    thread::sleep(Duration::from_millis(100));
    check(&bench, "pod.scap", "recorder");
    let status = fs::read_to_string(bench.path("status")).unwrap();
    let of = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    };
    let bits = CAPABILITIES.iter().map(|(_, bit)| 1 << bit).sum();
    // Under the runtime's own list of calls.
    assert_eq!((of("CapEff:"), of("Seccomp:")), (bits, 2));
}
