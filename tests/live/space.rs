//! Where there is no more of something: a full disk, a quota, a limit of the process. It is said, and what was recorded until
//! then is kept.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{
    attacks::{Busy, said},
    capture::read,
    live::nothing_is_attached,
    tools::{Bench, bench, need, scap},
};

/// A file system, until the test ends.
struct Mounted(PathBuf);

impl Mounted {
    /// Mounts at a new directory; `None` if the kernel does not.
    fn new(at: PathBuf, what: &[&str]) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(what).arg(&at).stderr(Stdio::null());
        mount.status().unwrap().success().then(|| Self(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        let ended = umount.arg("-l").arg(&self.0).status();
        assert!(ended.unwrap().success());
    }
}

/// Runs a recording with a limit of a resource.
fn limited(bench: &Bench, resource: Resource, limit: u64, args: &[&str]) -> Output {
    let mut command = scap();
    command
        .args(["record", "-q", "-w"])
        .arg(bench.path("limit.scap"))
        .args(args);
    let maximum = rustix::process::getrlimit(resource).maximum;
    let limit = Rlimit {
        current: Some(limit),
        maximum,
    };
    // SAFETY: only a system call between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let core = Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            setrlimit(Resource::Core, core)?;
            Ok(setrlimit(resource, limit)?)
        });
    }
    command.stdout(Stdio::null()).output().unwrap()
}

#[test]
fn limits_are_like_a_full_disk() {
    let (Some(bench), Some(())) = (bench(), need("bpftool")) else {
        return;
    };
    let busy = Busy::start();
    let output = limited(&bench, Resource::Fsize, 1 << 20, &["-M", "20"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = said(&output);
    assert!(
        text.contains("limit.scap") && text.contains("File too large"),
        "{text}"
    );
    let capture = read(&bench.path("limit.scap"));
    assert!(!capture.damaged && !capture.complete && !capture.events.is_empty());
    let before = fs::read(bench.path("limit.scap")).unwrap();
    // From the start: the file and how much there is no room for.
    let output = limited(&bench, Resource::Fsize, 1000, &["-M", "1"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("limit.scap") && text.contains("no room for the first "),
        "{text}"
    );
    // The capture of before is still there.
    assert!(fs::read(bench.path("limit.scap")).unwrap() == before);
    let output = limited(&bench, Resource::Cpu, 1, &["-M", "30"]);
    drop(busy);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("RLIMIT_CPU"), "{text}");
    assert!(read(&bench.path("limit.scap")).complete);
    for (resource, limit) in [
        (Resource::Nofile, 12),
        (Resource::Data, 20 << 20),
        (Resource::As, 60 << 20),
    ] {
        let output = limited(&bench, resource, limit, &["-M", "1"]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{resource:?}: {text}");
        assert!(
            text.contains("Too many open files") || text.contains("memory"),
            "{text}"
        );
    }
    nothing_is_attached();
}

#[test]
fn a_disk_that_is_full_from_the_start_is_named() {
    let Some(bench) = bench() else { return };
    // No room for bytes, and none for another file, with or without a capture that is to be replaced.
    for (number, (limit, old)) in [
        ("size=4k", None),
        ("size=8k", Some("old")),
        ("size=1m,nr_inodes=3", Some("old")),
        ("size=1m,nr_inodes=2", None),
    ]
    .into_iter()
    .enumerate()
    {
        let at = bench.path(&format!("disk{number}"));
        let mounted = Mounted::new(at, &["-t", "tmpfs", "-o", limit, "tmpfs"]).unwrap();
        let disk = &mounted.0;
        let file = disk.join("full.scap");
        if let Some(old) = old {
            fs::write(&file, old).unwrap();
        }
        fs::write(disk.join("filler"), [0; 4096]).unwrap();
        let mut command = scap();
        let output = command
            .args(["record", "-M", "1", "-w"])
            .arg(&file)
            .output();
        let text = said(output.as_ref().unwrap());
        assert_eq!(output.unwrap().status.code(), Some(1), "{text}");
        for part in [
            file.to_str().unwrap(),
            "No space left",
            "no room for the first ",
            " bytes",
        ] {
            assert!(text.contains(part), "{limit}: {text}");
        }
        let left = fs::read_dir(disk).unwrap().count();
        assert_eq!(
            left,
            1 + usize::from(old.is_some()),
            "{limit}: nothing is left of it"
        );
        assert_eq!(fs::read_to_string(&file).ok().as_deref(), old, "{limit}");
    }
}

/// A btrfs with a quota of two megabytes at a directory of it, which root has to respect, too: that of a user does not count
/// for root. `None` if it cannot be made here.
fn quota(bench: &Bench) -> Option<(Mounted, PathBuf)> {
    need("mkfs.btrfs")?;
    let image = bench.path("image");
    fs::File::create(&image)
        .unwrap()
        .set_len(128 << 20)
        .unwrap();
    let run = |program: &str, words: &[&str], path: &Path| {
        let mut command = Command::new(program);
        command.args(words).arg(path).stdout(Stdio::null());
        assert!(command.status().unwrap().success(), "{program} {words:?}");
    };
    run("mkfs.btrfs", &["-q"], &image);
    let loops = ["-t", "btrfs", "-o", "loop", image.to_str().unwrap()];
    let Some(mounted) = Mounted::new(bench.path("btrfs"), &loops) else {
        assert!(
            std::env::var_os("SCAP_REQUIRE_LIVE").is_none(),
            "this live test cannot run: no btrfs or no loop devices"
        );
        eprintln!("skipped: this kernel has no btrfs or no loop devices");
        return None;
    };
    let volume = mounted.0.join("volume");
    run("btrfs", &["quota", "enable"], &mounted.0);
    run("btrfs", &["subvolume", "create"], &volume);
    run("btrfs", &["qgroup", "limit", "2M"], &volume);
    Some((mounted, volume))
}

#[test]
fn a_quota_is_like_a_full_disk() {
    let Some(bench) = bench() else { return };
    let Some((mounted, volume)) = quota(&bench) else {
        return;
    };
    let file = volume.join("quota.scap");
    let record = || {
        let mut command = scap();
        command.args(["record", "-q", "-M", "20", "-w"]).arg(&file);
        let output = command.output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let quota = text.contains("quota.scap") && text.contains("Disk quota exceeded");
        assert!(quota, "{text}");
        text
    };
    let busy = Busy::start();
    let text = record();
    drop(busy);
    assert!(text.contains(" bytes are kept and readable"), "{text}");
    let capture = read(&file);
    assert!(!capture.complete && !capture.events.is_empty());
    // Cutting a file takes room on a btrfs.
    assert_eq!(
        capture.damaged,
        text.contains("counts as damaged there"),
        "{text}"
    );
    // From the start: what is there stays.
    let before = fs::read(&file).unwrap();
    let filled = fs::write(volume.join("filler"), vec![1; 4 << 20]);
    assert!(filled.is_err());
    let text = record();
    assert!(text.contains("no room for the first "), "{text}");
    assert!(fs::read(&file).unwrap() == before);
    drop(mounted);
    nothing_is_attached();
}

#[test]
fn a_probe_that_cannot_be_loaded_leaves_what_was_there() {
    let Some(bench) = bench() else { return };
    let path = bench.path("limit.scap");
    let output = limited(&bench, Resource::Nofile, 16, &["-M", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    let output = limited(&bench, Resource::Nofile, 16, &["-M", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}
