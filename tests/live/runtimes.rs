//! Container runtimes of their own for the tests: a Docker daemon and a containerd that keep everything
//! below the directory of the test, and leave nothing behind.

use std::{
    fs::File,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::cri_client::{self, Wanted};
use crate::tools::{Bench, need};

/// How long a daemon may take to come.
const STARTED: Duration = Duration::from_secs(20);
/// And to go.
const STOPPED: Duration = Duration::from_secs(10);

/// The image that the tests use, from a registry with a port in its name that is never asked.
pub(crate) const IMAGE: &str = "localhost:5000/team/busybox:local";

/// A daemon and the mounts below its directory, which end with the test.
struct Daemon {
    child: Child,
    dir: PathBuf,
}

impl Daemon {
    /// Starts a program that is to listen on `socket`; what it says is in `DIR.log`.
    fn start(command: &mut Command, dir: &Path, socket: &Path) -> Self {
        let log = dir.with_extension("log");
        let file = File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut daemon = Self {
            child,
            dir: dir.to_owned(),
        };
        let end = Instant::now() + STARTED;
        while UnixStream::connect(socket).is_err() {
            let ended = daemon.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < end,
                "{command:?} does not start: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let end = Instant::now() + STOPPED;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _gone = self.child.kill();
                let _gone = self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Deepest first.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for mount in mounts.lines().rev() {
            let point = mount.split(' ').nth(1).unwrap_or_default();
            if Path::new(point).starts_with(&self.dir) {
                let _gone = Command::new("umount").args(["-l", point]).status();
            }
        }
    }
}

/// Runs a program to its end and returns what it printed.
fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A directory with busybox and a shell, as an image wants it, packed.
fn rootfs(dir: &Path) -> PathBuf {
    let bin = dir.join("image/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
    for name in ["sh", "sleep", "true", "cat", "ls"] {
        std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
    }
    let tar = dir.join("image.tar");
    output(
        Command::new("tar")
            .arg("-C")
            .arg(dir.join("image"))
            .arg("-cf")
            .arg(&tar)
            .arg("."),
    );
    tar
}

/// A Docker daemon with [`IMAGE`].
pub(crate) struct Docker {
    socket: PathBuf,
    // After the containers are gone.
    _daemon: Daemon,
}

impl Docker {
    /// `None`: what it takes is not installed, which was said.
    pub(crate) fn start(bench: &Bench) -> Option<Self> {
        for program in ["dockerd", "docker", "busybox", "iptables"] {
            need(program)?;
        }
        let dir = bench.path("docker");
        std::fs::create_dir(&dir).unwrap();
        let socket = dir.join("docker.sock");
        let mut command = Command::new("dockerd");
        command
            .arg("--data-root")
            .arg(dir.join("data"))
            .arg("--exec-root")
            .arg(dir.join("exec"))
            .arg("--pidfile")
            .arg(dir.join("pid"))
            .arg(format!("--host=unix://{}", socket.display()));
        let daemon = Daemon::start(&mut command, &dir, &socket);
        let docker = Self {
            socket,
            _daemon: daemon,
        };
        let tar = rootfs(&dir);
        docker.run(&["import", tar.to_str().unwrap(), IMAGE]);
        Some(docker)
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs the client.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        output(self.client().args(args))
    }

    /// Runs the client; `None`: this machine does not allow what it was told.
    pub(crate) fn try_run(&self, args: &[&str]) -> Option<()> {
        let output = self.client().args(args).output().unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            eprintln!("docker {}: {}", args.join(" "), said.trim());
        }
        output.status.success().then_some(())
    }

    fn client(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let all = self.client().args(["ps", "-aq"]).output();
        let all = all.map(|all| all.stdout).unwrap_or_default();
        for id in String::from_utf8_lossy(&all).split_whitespace() {
            let _gone = self.client().args(["rm", "-f", id]).output();
        }
    }
}

/// The image of the containers that hold a pod's namespaces.
const PAUSE: &str = "localhost/pause:local";
/// Namespace in Kubernetes, name and uid of the pod that the tests make.
pub(crate) const POD: [&str; 3] = ["shop", "web-0", "0a1b2c3d-1111-2222-3333-444455556666"];

/// A containerd that speaks CRI and has [`IMAGE`] in the namespaces `k8s.io` and `default`.
pub(crate) struct Containerd {
    socket: PathBuf,
    // After the containers are gone.
    _daemon: Daemon,
}

impl Containerd {
    /// `None`: what it takes is not installed, which was said.
    pub(crate) fn start(bench: &Bench) -> Option<Self> {
        for program in ["containerd", "ctr", "runc", "busybox"] {
            need(program)?;
        }
        let dir = bench.path("containerd");
        std::fs::create_dir(&dir).unwrap();
        let socket = dir.join("containerd.sock");
        let config = dir.join("config.toml");
        let shown = dir.display();
        let text = format!(
            r#"
            version = 2
            root = "{shown}/root"
            state = "{shown}/state"
            [grpc]
              address = "{shown}/containerd.sock"
            [plugins."io.containerd.grpc.v1.cri"]
              sandbox_image = "{PAUSE}"
              restrict_oom_score_adj = true
              disable_apparmor = true
              disable_hugetlb_controller = true
              stream_server_port = "0"
              [plugins."io.containerd.grpc.v1.cri".cni]
                conf_dir = "{shown}/cni"
                bin_dir = "{shown}/cni"
            "#
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("containerd");
        command.arg("--config").arg(&config);
        let daemon = Daemon::start(&mut command, &dir, &socket);
        let containerd = Self {
            socket,
            _daemon: daemon,
        };
        let tar = rootfs(&dir);
        for (image, namespaces) in [(IMAGE, &["k8s.io", "default"][..]), (PAUSE, &["k8s.io"])] {
            let archive = archive(&dir, &tar, image);
            for namespace in namespaces {
                let archive = archive.to_str().unwrap();
                containerd.ctr(&["-n", namespace, "images", "import", archive]);
            }
        }
        Some(containerd)
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs the client for containers without Kubernetes.
    pub(crate) fn ctr(&self, args: &[&str]) -> String {
        output(self.client().args(args))
    }

    fn client(&self) -> Command {
        let mut command = Command::new("ctr");
        command.arg("-a").arg(&self.socket);
        command
    }

    /// Makes the pod [`POD`], and returns the id of its sandbox.
    pub(crate) fn run_pod(&self) -> String {
        cri_client::run_pod(&self.socket, POD)
    }

    /// Makes and starts a container in the pod, and returns its id.
    pub(crate) fn run_container(&self, sandbox: &str, wanted: &Wanted<'_>) -> String {
        cri_client::run_container(&self.socket, sandbox, POD, wanted)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        cri_client::remove_pods(&self.socket);
        let listed = self.client().args(["tasks", "ls", "-q"]).output();
        let listed = listed.map(|listed| listed.stdout).unwrap_or_default();
        for id in String::from_utf8_lossy(&listed).split_whitespace() {
            let kill = ["tasks", "rm", "-f", id];
            let _gone = self.client().args(kill).output();
        }
    }
}

/// Packs an image as `docker save` does.
fn archive(dir: &Path, layer: &Path, name: &str) -> PathBuf {
    let sum = output(Command::new("sha256sum").arg(layer));
    let sum = sum.split(' ').next().unwrap();
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Cmd": ["/bin/sleep", "100000"], "Labels": { "named": name } },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{sum}")] },
    });
    let manifest = serde_json::json!([{
        "Config": "config.json",
        "RepoTags": [name],
        "Layers": ["image.tar"],
    }]);
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    let archive = dir.join("archive.tar");
    output(
        Command::new("tar")
            .arg("-C")
            .arg(dir)
            .arg("-cf")
            .arg(&archive)
            .args(["manifest.json", "config.json", "image.tar"]),
    );
    archive
}
