//! The files that commands make: private, new, not through links, not in the place of others' files.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::{START, file, story, write};

/// A directory with a capture, a script that writes files, and what must not change.
struct Place {
    dir: tempfile::TempDir,
}

/// A command that makes a file, with the name that the file gets.
struct Maker {
    words: &'static [&'static str],
    file: &'static str,
    /// It refuses anything that is there already.
    only_new: bool,
}

/// Every command that makes a file, but for the recorder.
const MAKERS: &[Maker] = &[
    maker(&["read", "c.scap", "-w", "out.scap"], "out.scap"),
    maker(
        &["convert", "c.scap", "out.scap", "--to", "native"],
        "out.scap",
    ),
    maker(
        &["convert", "c.scap", "out.scap", "--to", "sysdig"],
        "out.scap",
    ),
    maker(
        &["convert", "c.scap", "out.gz", "--to", "sysdig", "-z"],
        "out.gz",
    ),
    maker(&["try", "--sample", "-w", "out.scap"], "out.scap"),
    maker(&["view", "c.scap", "--screenshot", "out.txt"], "out.txt"),
    maker(&["view", "c.scap", "--screenshot", "out.svg"], "out.svg"),
    maker(
        &[
            "view",
            "c.scap",
            "--script",
            "2mhello<Enter>",
            "--screenshot",
            "/dev/null",
        ],
        "c.scap.notes.toml",
    ),
    maker(
        &[
            "view",
            "c.scap",
            "--script",
            "2mhello<Enter>Mw",
            "--screenshot",
            "/dev/null",
        ],
        "c.scap.notes.md",
    ),
    maker(
        &["read", "c.scap", "-c", "./w.lua", "--chisel-output", "."],
        "lua.out",
    ),
    Maker {
        words: &[
            "view",
            "c.scap",
            "--script",
            "2wout.json<Enter>",
            "--screenshot",
            "/dev/null",
        ],
        file: "out.json",
        only_new: true,
    },
    Maker {
        words: &["chisel", "new", "mine"],
        file: "mine.lua",
        only_new: true,
    },
];

const fn maker(words: &'static [&'static str], file: &'static str) -> Maker {
    Maker {
        words,
        file,
        only_new: false,
    }
}

const SCRIPT: &str = "description='writes' short_description='' category='' args={}
function on_capture_end()
  local out = io.open('lua.out', 'w')
  if out then out:write('written') out:close() end
end
";

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        file(dir.path(), "c.scap", &write(&story(), 4, true));
        file(dir.path(), "w.lua", SCRIPT.as_bytes());
        file(dir.path(), "victim", b"precious");
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, words: &[&str], umask: u32) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
        command
            .args(words)
            .current_dir(self.dir.path())
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        // SAFETY: only a system call between fork and exec.
        unsafe {
            command.pre_exec(move || {
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
                Ok(())
            });
        }
        command.output().unwrap()
    }

    fn make(&self, maker: &Maker) -> Output {
        self.run(maker.words, 0o022)
    }

    fn victim(&self) -> String {
        fs::read_to_string(self.path("victim")).unwrap()
    }
}

fn give_away(path: &Path) {
    let nobody = (
        rustix::fs::Uid::from_raw(65_534),
        rustix::fs::Gid::from_raw(65_534),
    );
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(rustix::fs::CWD, path, Some(nobody.0), Some(nobody.1), flags).unwrap();
}

#[test]
fn files_are_private_whatever_the_umask() {
    for maker in MAKERS {
        for umask in [0, 0o022, 0o777] {
            let place = Place::new();
            let output = place.run(maker.words, umask);
            let made = fs::metadata(place.path(maker.file));
            let mode = made
                .unwrap_or_else(|_| panic!("{:?}: {output:?}", maker.words))
                .mode();
            assert_eq!(
                mode & 0o7777,
                0o600,
                "{:?} with umask {umask:o}",
                maker.words
            );
        }
    }
}

#[test]
fn planted_names_lead_nowhere() {
    for maker in MAKERS {
        for hard in [false, true] {
            let place = Place::new();
            let planted = place.path(maker.file);
            match hard {
                false => symlink("victim", &planted).unwrap(),
                true => fs::hard_link(place.path("victim"), &planted).unwrap(),
            }
            let output = place.make(maker);
            assert_eq!(place.victim(), "precious", "{:?}", maker.words);
            let is_link = planted.is_symlink();
            assert_eq!(is_link, !hard, "{:?}: {output:?}", maker.words);
            if maker.words[0] != "view" && !hard {
                assert_ne!(output.status.code(), Some(0), "{:?}", maker.words);
                let said = String::from_utf8_lossy(&output.stderr);
                let is_said = said.contains("link") || maker.only_new && said.contains("exists");
                assert!(is_said, "{said}");
            }
        }
        // A link that leads to nothing makes nothing.
        let place = Place::new();
        symlink("not-there", place.path(maker.file)).unwrap();
        drop(place.make(maker));
        assert!(!place.path("not-there").exists(), "{:?}", maker.words);
    }
}

#[test]
fn a_part_of_the_notes_is_no_way_to_another_file() {
    let place = Place::new();
    for name in [
        "c.scap.notes.toml.part",
        "c.scap.notes.md.part",
        ".c.scap.notes.toml.part",
    ] {
        symlink("victim", place.path(name)).unwrap();
    }
    for maker in MAKERS.iter().filter(|maker| maker.file.contains("notes")) {
        assert_eq!(place.make(maker).status.code(), Some(0));
        assert!(place.path(maker.file).is_file());
    }
    assert_eq!(place.victim(), "precious");
    // Notes that are a link, or a pipe that nobody writes to, are not read either.
    fs::remove_file(place.path("c.scap.notes.toml")).unwrap();
    symlink("victim", place.path("c.scap.notes.toml")).unwrap();
    let output = place.run(&["view", "c.scap", "--screenshot", "-"], 0o022);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && said.contains("symbolic link"),
        "{said}"
    );
}

#[test]
fn what_belongs_to_others_in_a_shared_directory_stays() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for maker in MAKERS {
        let place = Place::new();
        fs::set_permissions(place.dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let theirs = place.path(maker.file);
        let notes = "capture = \"c.scap\"\n";
        fs::write(&theirs, notes).unwrap();
        give_away(&theirs);
        let output = place.make(maker);
        assert_eq!(
            fs::read_to_string(&theirs).unwrap(),
            notes,
            "{:?}",
            maker.words
        );
        if maker.words[0] != "view" {
            assert_ne!(output.status.code(), Some(0), "{:?}", maker.words);
        }
        // A directory of somebody else's choice.
        fs::remove_file(&theirs).unwrap();
        fs::create_dir(place.path("real")).unwrap();
        symlink("real", place.path("dir")).unwrap();
        give_away(&place.path("dir"));
        let output = place.run(&["try", "--sample", "-w", "dir/x.scap"], 0o022);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("symbolic link of another user"), "{said}");
        assert_eq!(fs::read_dir(place.path("real")).unwrap().count(), 0);
    }
}

#[test]
fn own_files_are_replaced_and_notes_are_saved() {
    for maker in MAKERS.iter().filter(|maker| !maker.only_new) {
        let place = Place::new();
        assert_eq!(
            place.make(maker).status.code(),
            Some(0),
            "{:?}",
            maker.words
        );
        let first = fs::read(place.path(maker.file)).unwrap();
        assert!(!first.is_empty());
        let output = place.make(maker);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{:?}: {output:?}",
            maker.words
        );
        let left: Vec<_> = fs::read_dir(place.dir.path()).unwrap().flatten().collect();
        assert!(
            left.iter()
                .all(|e| !e.file_name().to_string_lossy().contains(".part"))
        );
    }
}

#[test]
fn notes_of_a_converted_capture_are_beside_the_capture() {
    let place = Place::new();
    let convert = ["convert", "c.scap", "old.scap", "--to", "sysdig", "-q"];
    assert_eq!(place.run(&convert, 0o022).status.code(), Some(0));
    let keys = [
        "view",
        "old.scap",
        "--script",
        "2mhello<Enter>",
        "--screenshot",
        "-",
    ];
    assert_eq!(place.run(&keys, 0o022).status.code(), Some(0));
    let notes = fs::read_to_string(place.path("old.scap.notes.toml")).unwrap();
    assert!(
        notes.contains("hello") && notes.contains("capture = \"old.scap\""),
        "{notes}"
    );
    // They are there the next time.
    let shown = place.run(
        &["view", "old.scap", "--script", "M", "--screenshot", "-"],
        0o022,
    );
    assert!(String::from_utf8_lossy(&shown.stdout).contains("hello"));
    // Merged captures have no file that notes could be next to, which is said.
    let keys = [
        "view",
        "old.scap",
        "c.scap",
        "--script",
        "2mhello<Enter>",
        "--screenshot",
        "-",
    ];
    let shown = place.run(&keys, 0o022);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("cannot save the notes"), "{shown}");
    let _start = START;
}

#[test]
fn pipes_and_devices_take_captures() {
    let place = Place::new();
    let piped = place.run(&["read", "c.scap", "-w", "/dev/stdout"], 0o022);
    assert_eq!(piped.status.code(), Some(0));
    let direct = place.run(&["read", "c.scap", "-w", "-"], 0o022);
    assert_eq!(piped.stdout.len(), direct.stdout.len());
    assert_eq!(
        place
            .run(&["read", "c.scap", "-w", "/dev/null"], 0o022)
            .status
            .code(),
        Some(0)
    );
    let full = place.run(&["read", "c.scap", "-w", "/dev/full"], 0o022);
    let said = String::from_utf8_lossy(&full.stderr);
    assert!(
        full.status.code() == Some(1) && said.contains("/dev/full"),
        "{said}"
    );
}

#[test]
fn what_is_read_is_not_what_is_written() {
    let place = Place::new();
    let before = fs::read(place.path("c.scap")).unwrap();
    fs::hard_link(place.path("c.scap"), place.path("same.svg")).unwrap();
    for words in [
        &["read", "c.scap", "-w", "c.scap"][..],
        &["read", "c.scap", "-w", "./c.scap"],
        &["convert", "c.scap", "c.scap", "--to", "sysdig"],
        &["view", "c.scap", "--screenshot", "c.scap"],
        &["view", "c.scap", "--screenshot", "same.svg"],
        &[
            "record",
            "--syscall",
            "nosuch",
            "-w",
            "c.scap",
            "--summary-json",
            "c.scap",
        ],
        &["record", "-w", "c.scap", "--summary-json", "./c.scap"],
        &["record", "-w", "./c.scap", "--summary-json", "c.scap"],
    ] {
        let output = place.run(words, 0o022);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        assert!(fs::read(place.path("c.scap")).unwrap() == before);
    }
}

#[test]
fn what_is_written_at_the_end_is_refused_at_the_beginning() {
    let place = Place::new();
    fs::create_dir(place.path("directory")).unwrap();
    symlink("elsewhere", place.path("link")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(place.path("socket")).unwrap();
    for (name, why) in [
        ("no/such", "No such file"),
        ("directory", "is a directory"),
        ("directory/", "is a directory"),
        ("link", "symbolic link"),
        ("socket", "it is a socket"),
        ("/proc/sys/new", ""),
    ] {
        for words in [
            &["record", "-w", "out.scap", "--summary-json", name][..],
            // The keys are not even looked at.
            &[
                "view",
                "c.scap",
                "--script",
                "<No such key>",
                "--screenshot",
                name,
            ],
        ] {
            let output = place.run(words, 0o022);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
            assert!(said.contains(&format!("cannot write {name}: ")), "{said}");
            assert!(said.to_lowercase().contains(&why.to_lowercase()), "{said}");
        }
    }
    drop(socket);
    assert!(!place.path("out.scap").exists());
    // Nobody reads from a pipe yet, and nothing waits for that.
    let pipe = place.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let begin = std::time::Instant::now();
    let unknown = ["--syscall", "nosuch", "-w", "out.scap"];
    for name in ["pipe", "new.json", "c.scap", "/dev/null", "/dev/stderr"] {
        let words = [&["record"], &unknown[..], &["--summary-json", name]].concat();
        let output = place.run(&words, 0o022);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    assert!(begin.elapsed() < std::time::Duration::from_secs(4));
    assert!(!place.path("new.json").exists());
}

#[test]
fn a_limit_of_the_size_of_files_is_an_error_with_the_name() {
    let place = Place::new();
    for words in [
        &["read", "c.scap", "-w", "out.scap"][..],
        &["convert", "c.scap", "out.scap", "--to", "sysdig"],
        &["try", "--sample", "-w", "out.scap"],
        &["view", "c.scap", "--screenshot", "out.scap"],
    ] {
        let mut command = Command::new("sh");
        let line = format!(
            "ulimit -c 0; ulimit -f 1; exec {} {}",
            env!("CARGO_BIN_EXE_scap"),
            words.join(" ")
        );
        command.args(["-c", &line]).current_dir(place.dir.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        assert!(
            said.contains("out.scap") && said.contains("too large"),
            "{said}"
        );
    }
}

#[test]
fn scripts_write_append_and_change_files_of_their_own() {
    let place = Place::new();
    let head = "description='d' short_description='s' category='c' args={}\n";
    let script = "
function on_capture_end()
  assert(not io.open('none', 'r+'))
  local f = io.open('o', 'w') f:write('abc') f:close()
  f = io.open('o', 'a') f:write('def') f:close()
  f = io.open('o', 'r+') f:write('X') f:close()
  -- Two at once.
  local a, b = io.open('p', 'w'), io.open('q', 'w')
  a:write('p') b:write('q') a:close() b:close()
  print(io.open('o'):read('*a'))
end
";
    fs::write(place.path("w.lua"), format!("{head}{script}")).unwrap();
    fs::create_dir(place.path("out")).unwrap();
    let read = ["read", "c.scap", "-c", "./w.lua", "--chisel-output", "out"];
    let output = place.run(&read, 0o022);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Xbcdef\n",
        "{output:?}"
    );
    assert!(!place.path("out/none").exists());
    for (name, content) in [("o", "Xbcdef"), ("p", "p"), ("q", "q")] {
        let path = place.path("out").join(name);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    }
}
