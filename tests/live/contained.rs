//! Recordings of real containers: every event says which one it is of, what that is called, and nothing of
//! the machine's own is taken for one.
//!
//! The truth comes from the containers: each gets an environment variable that all of its processes inherit,
//! those of `docker exec` too, and no other process has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    cri_client::Wanted,
    recorder::Recorder,
    runtimes::{Containerd, Docker, IMAGE, POD},
    tools::{Bench, bench, need, number, scap},
};

/// What the events of one container say: how many there are of each combination.
pub(crate) type Said = BTreeMap<Vec<String>, usize>;

/// The mark of a container is in its processes' environment.
const MARK: &str = "SCAP_MARK";

/// Counts what all events say of some fields; the first is the mark.
pub(crate) fn said(bench: &Bench, capture: &str, fields: &[&str], filter: &[&str]) -> Said {
    let mark = format!("proc.env[{MARK}]");
    let all: Vec<String> = std::iter::once(mark.as_str())
        .chain(fields.iter().copied())
        .map(|field| format!("%{field}"))
        .collect();
    let format = format!("*{}", all.join("|"));
    let mut said = Said::new();
    for line in bench.printed(capture, &format, filter) {
        let mut values: Vec<String> = line.split('|').map(str::to_owned).collect();
        // An environment that is not known, or has no such variable.
        if values[0] == "<NA>" {
            values[0].clear();
        }
        *said.entry(values).or_default() += 1;
    }
    said
}

/// The end of a recording that has to have gone well.
fn finish(recorder: Recorder) -> String {
    recorder.signal(Signal::INT);
    let (code, said) = recorder.end();
    assert_eq!(code, Some(0), "{said}");
    said
}

/// Programs that run in a container's cgroups before its own do: what makes the container. runc runs from a
/// mount of itself that it has detached, whose path is `/`, as in /proc.
fn is_maker(exepath: &str) -> bool {
    exepath.ends_with("/runc") || exepath == "/"
}

/// Arguments of `docker run` for a container that is marked with its name.
fn marked<'a>(name: &'a str, mark: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["run", "--name", name, "-e", mark];
    args.extend(rest);
    args
}

/// How containers call themselves, and what the events have to say of each: short id, image.
struct Truth(BTreeMap<String, String>);

impl Truth {
    /// Compares all events with it: those with a mark are of the container of that name, and those without
    /// are of none, unless they are of what makes containers.
    fn check(&self, bench: &Bench, capture: &str) {
        let fields = [
            "container.id",
            "container.name",
            "container.image",
            "container.image.repository",
            "container.image.tag",
            "container.type",
            "proc.exepath",
        ];
        let mut events = BTreeMap::new();
        let mut makers = BTreeSet::new();
        for (line, count) in said(bench, capture, &fields, &[]) {
            let [mark, id, name, image, repository, tag, kind, exepath] = &line[..] else {
                panic!("{line:?}");
            };
            if mark.is_empty() {
                if id != "host" && id != "<NA>" {
                    assert!(is_maker(exepath), "{line:?}: the machine's own process");
                    makers.insert(name.clone());
                }
                continue;
            }
            assert_eq!(self.0.get(mark), Some(id), "{line:?}");
            assert_eq!(
                (name, image.as_str(), kind.as_str()),
                (mark, IMAGE, "docker"),
                "{line:?}"
            );
            assert_eq!(format!("{repository}:{tag}"), IMAGE, "{line:?}");
            *events.entry(mark.clone()).or_insert(0) += count;
        }
        let missing: Vec<_> = self.0.keys().filter(|m| !events.contains_key(*m)).collect();
        assert!(missing.is_empty(), "no event of {missing:?}");
        println!(
            "{} events of {} containers; {} of them were made meanwhile",
            events.values().sum::<usize>(),
            events.len(),
            makers.len()
        );
    }
}

#[test]
fn every_event_says_which_container_it_is_of() {
    let Some(bench) = bench() else { return };
    let Some(docker) = Docker::start(&bench) else {
        return;
    };
    const SHORT: usize = 50;
    let mut truth = BTreeMap::new();
    let mut run = |name: &str, options: &[&str], command: &[&str]| {
        let mark = format!("{MARK}={name}");
        let rest = [options, &[IMAGE], command].concat();
        let id_file = bench.path(&format!("id-{name}"));
        let mut args = marked(name, &mark, &rest);
        args.splice(1..1, ["--cidfile", id_file.to_str().unwrap()]);
        docker.run(&args);
        let id = fs::read_to_string(&id_file).unwrap();
        truth.insert(name.to_owned(), id[..12].to_owned());
        id
    };
    let forever = [
        "/bin/sh",
        "-c",
        "while cat /etc/hostname; do sleep 0.1; done",
    ];
    run("older", &["-d"], &forever);
    let socket = docker.socket();
    let socket = ["--container-socket", socket.to_str().unwrap()];
    // Rings that hold all of it: a recorder without optimization falls behind.
    let options = [&["--buffer-size", "128"][..], &socket].concat();
    let recorder = Recorder::start(&bench, "docker.scap", &options);
    for index in 0..SHORT {
        run(&format!("short{index}"), &["--rm"], &["/bin/true"]);
    }
    let daemons = "(sh -c 'sleep 0.3; cat /etc/passwd' &); (cat /etc/hosts &); sleep 0.6";
    run("daemons", &[], &["/bin/sh", "-c", daemons]);
    run(
        "labelled",
        &["--label", "team=blue", "-v", "/etc:/mnt/etc:ro"],
        &["/bin/cat", "/mnt/etc/hostname"],
    );
    // Where the machine allows it.
    let id_file = bench.path("id-may");
    let mark = format!("{MARK}=may");
    let mut args = marked("may", &mark, &[IMAGE, "/bin/ls"]);
    args.splice(
        1..1,
        ["--privileged", "--cidfile", id_file.to_str().unwrap()],
    );
    let may = docker.try_run(&args);
    let nested = run("nested", &["-d"], &forever);
    let below = Nested::make(&docker, &nested);
    docker.run(&["exec", "older", "/bin/sh", "-c", "cat /etc/hosts; ls /"]);
    thread::sleep(Duration::from_millis(500));
    finish(recorder);
    drop(below);
    if may.is_some() {
        let id = fs::read_to_string(&id_file).unwrap();
        truth.insert("may".to_owned(), id[..12].to_owned());
    }
    let truth = Truth(truth);
    truth.check(&bench, "docker.scap");
    let privileged = said(&bench, "docker.scap", &["container.privileged"], &[]);
    for line in privileged.keys().filter(|line| !line[0].is_empty()) {
        assert_eq!(line[1] == "true", line[0] == "may", "{line:?}");
    }

    // Processes of the one that was there before, and of `docker exec` in it.
    let older = said(
        &bench,
        "docker.scap",
        &["proc.cmdline"],
        &["container.name=older"],
    );
    for command in ["cat /etc/hostname", "cat /etc/hosts"] {
        let wanted = ["older".to_owned(), command.to_owned()];
        assert!(older.contains_key(&wanted[..]), "{command}: {older:?}");
    }
    // Moved away from the container's own cgroup, it stays in the container.
    let below = said(
        &bench,
        "docker.scap",
        &["container.name"],
        &["thread.cgroups contains /below"],
    );
    let inside: usize = below.values().sum();
    assert!(inside > 20, "{below:?}");
    assert!(below.keys().all(|line| line[1] == "nested"), "{below:?}");

    let labelled = said(
        &bench,
        "docker.scap",
        &[
            "container.label.team",
            "container.mount.source[/mnt/etc]",
            "container.mount.dest[/etc]",
            "container.mount.rdwr[/etc]",
            "container.privileged",
        ],
        &["container.name=labelled and proc.name=cat"],
    );
    let wanted = ["labelled", "blue", "/etc", "/mnt/etc", "false", "false"];
    assert_eq!(
        labelled.keys().collect::<Vec<_>>(),
        [&wanted.map(str::to_owned).to_vec()]
    );

    let summary = bench.summary("docker.scap");
    assert_eq!(number(&summary, "lost"), 0, "{summary}");
    assert!(
        number(&summary, "described") >= SHORT as u64 + 3,
        "{summary}"
    );

    as_sysdig_sees_it(&bench, &truth);

    // As sysdig's users print it.
    let lines = Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(["read", "-pc", "-n", "1", "-r"])
        .arg(bench.path("docker.scap"))
        .arg("container.name=older")
        .output()
        .unwrap();
    let line = String::from_utf8(lines.stdout).unwrap();
    let shown = format!(" older ({}) ", truth.0["older"]);
    assert!(line.contains(&shown), "{line}");
}

/// sysdig finds the same containers with the same names in what is converted for it.
fn as_sysdig_sees_it(bench: &Bench, truth: &Truth) {
    if need("sysdig").is_none() {
        return;
    }
    let converted = bench.path("for-sysdig.scap");
    let status = scap()
        .args(["convert", "-q", "--to", "sysdig"])
        .args([&bench.path("docker.scap"), &converted])
        .status();
    assert!(status.unwrap().success());
    let output = Command::new("sysdig")
        .args(["-p", "%container.id %container.name %container.image", "-r"])
        .arg(&converted)
        .arg("container.id!=host and evt.type!=container")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // What a container that could not be started was made with is not its truth.
    let seen: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.contains(" may ") || truth.0.contains_key("may"))
        .collect();
    let wanted: Vec<String> = truth
        .0
        .iter()
        .map(|(name, id)| format!("{id} {name} {IMAGE}"))
        .collect();
    assert_eq!(seen, wanted.iter().map(String::as_str).collect());
}

/// A cgroup below a container's own, with all its processes in it; in every hierarchy that has one.
struct Nested(Vec<PathBuf>);

impl Nested {
    fn make(docker: &Docker, id: &str) -> Self {
        let pid = docker.run(&["inspect", "-f", "{{.State.Pid}}", id]);
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mut made = Vec::new();
        for line in cgroups.lines().filter(|line| line.contains(id)) {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next().unwrap(), parts.next().unwrap());
            let is_it = |mount: &&str| match mount.split_once(" - ") {
                Some((_, kind)) if controllers.is_empty() => kind.starts_with("cgroup2 "),
                Some((_, kind)) => kind.starts_with("cgroup ") && kind.ends_with(controllers),
                None => false,
            };
            let Some(mount) = mounts.lines().find(is_it) else {
                continue;
            };
            let mount = Path::new(mount.split(' ').nth(4).unwrap());
            let own = mount.join(path.trim_start_matches('/'));
            let below = own.join("below");
            // A cpuset of its own would need processors first.
            if controllers.contains("cpuset") || fs::create_dir(&below).is_err() {
                continue;
            }
            for pid in fs::read_to_string(own.join("cgroup.procs"))
                .unwrap()
                .lines()
            {
                // One that has ended meanwhile.
                drop(fs::write(below.join("cgroup.procs"), pid));
            }
            made.push(below);
        }
        assert!(!made.is_empty(), "{cgroups}");
        Self(made)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        for below in &self.0 {
            let above = below.parent().unwrap();
            for pid in fs::read_to_string(below.join("cgroup.procs"))
                .unwrap_or_default()
                .lines()
            {
                drop(fs::write(above.join("cgroup.procs"), pid));
            }
            drop(fs::remove_dir(below));
        }
    }
}

#[test]
fn pods_and_their_containers_have_names() {
    let Some(bench) = bench() else { return };
    let Some(containerd) = Containerd::start(&bench) else {
        return;
    };
    let socket = containerd.socket().to_str().unwrap().to_owned();
    let recorder = Recorder::start(&bench, "cri.scap", &["--container-socket", &socket]);
    let sandbox = containerd.run_pod();
    let script = "for i in 1 2 3 4 5; do cat /etc/hostname; sleep 0.1; done";
    let wanted = Wanted {
        name: "nginx",
        label: ("tier", "front"),
        command: &["/bin/sh", "-c", script],
        mounts: &[],
        capabilities: None,
    };
    let id = containerd.run_container(&sandbox, &wanted);
    containerd.ctr(&["run", "--rm", IMAGE, "by-hand", "/bin/ls", "/"]);
    thread::sleep(Duration::from_secs(1));
    finish(recorder);

    let [namespace, pod, uid] = POD;
    let fields = [
        "container.name",
        "container.image",
        "k8s.ns.name",
        "k8s.pod.name",
        "k8s.pod.uid",
        "k8s.pod.sandbox_id",
        "k8s.pod.label.app",
        "container.label.tier",
    ];
    let own = |id: &str| {
        format!(
            "container.id={} and proc.name in (sh, cat, sleep)",
            &id[..12]
        )
    };
    let container = said(&bench, "cri.scap", &fields, &[&own(&id)]);
    let wanted = [
        "",
        "nginx",
        IMAGE,
        namespace,
        pod,
        uid,
        &sandbox[..12],
        "shop",
        "front",
    ];
    assert_eq!(
        container.keys().collect::<Vec<_>>(),
        [&wanted.map(str::to_owned).to_vec()]
    );
    assert!(container.values().sum::<usize>() > 100, "{container:?}");
    let held = said(&bench, "cri.scap", &fields[2..5], &[&own(&sandbox)]);
    let wanted = ["", namespace, pod, uid];
    assert_eq!(
        held.keys().collect::<Vec<_>>(),
        [&wanted.map(str::to_owned).to_vec()]
    );
    let by_hand = said(
        &bench,
        "cri.scap",
        &["container.name", "container.image", "container.type"],
        &["container.id=by-hand and proc.name=ls"],
    );
    let wanted = ["", "by-hand", IMAGE, "containerd"];
    assert_eq!(
        by_hand.keys().collect::<Vec<_>>(),
        [&wanted.map(str::to_owned).to_vec()]
    );
    // Nothing else is in a container but what made these.
    let others = said(
        &bench,
        "cri.scap",
        &["container.id", "proc.exepath"],
        &["container.id!=host"],
    );
    for line in others.keys() {
        let [_, container, exepath] = &line[..] else {
            panic!("{line:?}");
        };
        let is_known = [&id[..12], &sandbox[..12], "by-hand"].contains(&container.as_str());
        assert!(is_known, "{line:?}");
        assert!(
            exepath.starts_with("/bin/") || is_maker(exepath),
            "{line:?}"
        );
    }
}

/// How many calls the kernel let through that are not kept: neither events, nor what later ones cannot be understood without, which
/// there is of everything that runs on the machine.
fn rejected(summary: &serde_json::Value) -> u64 {
    let [seen, events, hidden] =
        ["seen_by_kernel", "events", "hidden"].map(|name| number(summary, name));
    seen.saturating_sub(events + hidden)
}

/// Whether the kernel left the storm out, and let through hardly anything of it. The first calls of new processes come through, and
/// the tests beside start hundreds: `others` is what was rejected in a second without the storm.
fn the_kernel_leaves_out(summary: &serde_json::Value, others: f64) -> bool {
    let [excluded, seen] = ["excluded", "seen_by_kernel"].map(|name| number(summary, name));
    let others = (others * summary["elapsed_s"].as_f64().unwrap()) as u64;
    excluded > seen && excluded > 100 * rejected(summary).saturating_sub(others)
}

/// Calls that cost the kernel little, as fast as they can be made, until it is dropped.
struct Storm(Child);

impl Storm {
    fn start() -> Self {
        let child = Command::new("dd")
            .args(["if=/dev/zero", "of=/dev/null", "bs=1"])
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_filter_by_container_is_the_kernels() {
    let Some(bench) = bench() else { return };
    let Some(docker) = Docker::start(&bench) else {
        return;
    };
    let socket = docker.socket().to_str().unwrap();
    let forever = [
        "/bin/sh",
        "-c",
        "while cat /etc/hostname; do sleep 0.1; done",
    ];
    let web = docker.run(&[&["run", "-d", "--name=web", IMAGE][..], &forever].concat());
    docker.run(&[&["run", "-d", "--name=db", IMAGE][..], &forever].concat());
    let web = format!("container.id={}", &web[..12]);
    let filtered = ["--container-socket", socket, &web];
    let recorder = Recorder::start(&bench, "calm.scap", &filtered);
    thread::sleep(Duration::from_millis(1200));
    finish(recorder);
    let calm = bench.summary("calm.scap");
    let others = rejected(&calm) as f64 / calm["elapsed_s"].as_f64().unwrap();
    let storm = Storm::start();
    for filter in [
        web,
        "container.name=web".to_owned(),
        "container.image startswith localhost:5000/ and container.name!=db".to_owned(),
    ] {
        let recorder = Recorder::start(
            &bench,
            "part.scap",
            &["--container-socket", socket, &filter],
        );
        thread::sleep(Duration::from_millis(1200));
        finish(recorder);
        let summary = bench.summary("part.scap");
        assert!(
            the_kernel_leaves_out(&summary, others),
            "{filter}: {summary}"
        );
        assert_eq!(number(&summary, "lost"), 0, "{filter}: {summary}");
        let names = said(&bench, "part.scap", &["container.name"], &[]);
        let wanted = [String::new(), "web".to_owned()];
        assert_eq!(
            names.keys().collect::<Vec<_>>(),
            [&wanted.to_vec()],
            "{filter}"
        );
        let cats = said(
            &bench,
            "part.scap",
            &["evt.type"],
            &["proc.name=cat and fd.name=/etc/hostname"],
        );
        assert!(
            cats.keys().any(|line| line[1] == "openat"),
            "{filter}: {cats:?}"
        );
    }
    // One that is not there yet: what the kernel leaves out of it before its name has come is told.
    let late = ["--container-socket", socket, "container.name=late"];
    let recorder = Recorder::start(&bench, "late.scap", &late);
    docker.run(&[
        "run",
        "--rm",
        "--name=late",
        IMAGE,
        "/bin/sh",
        "-c",
        // Long enough for a slow runtime to say the name.
        "for i in $(seq 50); do cat /etc/hostname; sleep 0.1; done",
    ]);
    finish(recorder);
    let calls = |of: &str| said(&bench, "late.scap", &["evt.type"], &[of]);
    let summary = bench.summary("late.scap");
    let began = calls("proc.name=sh").keys().any(|l| l[1] == "execve");
    assert!(began || number(&summary, "undescribed") > 0, "{summary}");
    assert!(!calls("proc.name=cat").is_empty(), "{summary}");
    assert!(the_kernel_leaves_out(&summary, others), "{summary}");
    drop(storm);
}

/// A runtime that accepts connections and says nothing.
#[test]
fn a_runtime_that_hangs_stalls_nothing() {
    let Some(bench) = bench() else { return };
    let path = bench.path("silent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for connection in listener.incoming() {
            kept.push(connection);
        }
    });
    let full = "0123456789abcdef".repeat(4);
    let cgroup = TestCgroup::make(&format!("docker/{full}"));
    let recorder = Recorder::start(
        &bench,
        "silent.scap",
        &["--container-socket", path.to_str().unwrap()],
    );
    let script = format!(
        "echo $$ > {}; cat /etc/hostname; exec cat /etc/hosts",
        cgroup.procs()
    );
    let status = Command::new("/bin/sh")
        .args(["-c", &script])
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    // Longer than it takes to give up on a runtime: it is tried as one of CRI and as Docker's.
    thread::sleep(Duration::from_secs(5));
    let began = Instant::now();
    let said_at_end = finish(recorder);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let warnings = said_at_end
        .lines()
        .filter(|line| line.contains("silent.sock"));
    assert_eq!(warnings.count(), 1, "{said_at_end}");
    let cats = said(
        &bench,
        "silent.scap",
        &["container.id", "container.name", "fd.name"],
        &["proc.name=cat and evt.type=read and fd.name startswith /etc/host"],
    );
    for file in ["/etc/hostname", "/etc/hosts"] {
        let wanted = ["", "0123456789ab", "<NA>", file].map(str::to_owned);
        assert!(cats.contains_key(&wanted[..]), "{cats:?}");
    }
    // The shell is in it from the call on that moves it there, not from its next exec.
    let moved = said(
        &bench,
        "silent.scap",
        &["container.id"],
        &["proc.name=sh and evt.type=write and fd.name endswith /cgroup.procs"],
    );
    let wanted = [String::new(), "0123456789ab".to_owned()];
    assert_eq!(moved.keys().collect::<Vec<_>>(), [&wanted.to_vec()]);
}

/// A cgroup that no runtime has made.
struct TestCgroup(PathBuf);

impl TestCgroup {
    fn make(path: &str) -> Self {
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let v2 = Path::new("/sys/fs/cgroup");
        let hierarchy = if v1.exists() { v1 } else { v2 };
        let directory = hierarchy.join(path);
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn procs(&self) -> String {
        self.0.join("cgroup.procs").display().to_string()
    }
}

impl Drop for TestCgroup {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.0));
    }
}
