//! Running scap and the programs it is to record.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::TempDir;

/// One recording at a time: the tests compare what happened with what was recorded, and two
/// machines' worth of load on two cores would only make them slow.
static ONE: Mutex<()> = Mutex::new(());

/// A place to work in, and the right to record.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// `None`: live tests cannot run here, which was said.
pub(crate) fn bench() -> Option<Bench> {
    if let Some(why) = obstacle() {
        assert!(
            std::env::var_os("SCAP_REQUIRE_LIVE").is_none(),
            "this live test cannot run: {why}"
        );
        eprintln!("skipped: {why}");
        return None;
    }
    Some(Bench {
        _turn: ONE.lock().unwrap_or_else(PoisonError::into_inner),
        dir: TempDir::new().unwrap(),
    })
}

fn obstacle() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root");
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Some("the kernel has no BTF");
    }
    None
}

/// Whether a program is there; `None` with a word, or a failure where everything must run.
pub(crate) fn need(program: &str) -> Option<()> {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if found {
        return Some(());
    }
    assert!(
        std::env::var_os("SCAP_REQUIRE_LIVE").is_none(),
        "this live test cannot run: {program} is not installed"
    );
    eprintln!("skipped: {program} is not installed");
    None
}

impl Bench {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Compiles a C program of this directory.
    pub(crate) fn compile(&self, name: &str) -> PathBuf {
        self.compile_with(name, &["-pthread", "-Wall"])
    }

    /// The same with these flags of the compiler.
    pub(crate) fn compile_with(&self, name: &str, flags: &[&str]) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/live")
            .join(name);
        let stem = Path::new(name).file_stem().unwrap();
        let program = self.dir.path().join(stem);
        let status = Command::new("cc")
            .args(["-O1", "-o"])
            .args([&program, &source])
            .args(flags)
            .status()
            .expect("a C compiler");
        assert!(status.success());
        program
    }

    /// `scap record` with these arguments, writing to `capture` and its summary beside it. Returns
    /// what the command printed. Files, not pipes, take the output: a command that outlives the
    /// recording would keep a pipe open.
    pub(crate) fn record(&self, capture: &str, args: &[&str]) -> String {
        let (out, err) = (self.path("stdout"), self.path("stderr"));
        let status = scap()
            .args(["record", "-w"])
            .arg(self.path(capture))
            .arg("--summary-json")
            .arg(self.summary_path(capture))
            .args(args)
            .current_dir(self.dir.path())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .status()
            .unwrap();
        let said = std::fs::read_to_string(&err).unwrap();
        assert!(status.success(), "scap record failed: {said}");
        String::from_utf8_lossy(&std::fs::read(&out).unwrap()).into_owned()
    }

    /// What `scap read` prints of a capture.
    pub(crate) fn printed(&self, capture: &str, format: &str, filter: &[&str]) -> Vec<String> {
        let output = scap()
            .arg("read")
            .args(["-p", format, "-r"])
            .arg(self.path(capture))
            .args(filter)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn summary_path(&self, capture: &str) -> PathBuf {
        self.path(&format!("{capture}.json"))
    }

    /// The recorder's own account.
    pub(crate) fn summary(&self, capture: &str) -> serde_json::Value {
        let text = std::fs::read(self.summary_path(capture)).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

/// The program under test.
pub(crate) fn scap() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
    command.stdin(Stdio::null());
    command
}

/// A number of the summary.
pub(crate) fn number(summary: &serde_json::Value, key: &str) -> u64 {
    summary[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {key} in {summary}"))
}
