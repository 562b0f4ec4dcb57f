use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::CWD;
use rustix::fs::{Gid, Uid, chownat, mkfifoat};

use super::*;

/// Somebody else.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives a file, or a link, to somebody else.
fn give_away(path: &Path) {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    chownat(
        CWD,
        path,
        Some(user),
        Some(group),
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .unwrap();
}

/// A directory that everybody can write to.
fn shared(dir: &Path) -> PathBuf {
    let shared = dir.join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    shared
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Each way to make a file, with a content.
const WAYS: [fn(&Path) -> io::Result<()>; 3] = [
    |path| create(path)?.write_all(b"new"),
    |path| create_with(path, b"n")?.write_all(b"ew"),
    |path| write(path, b"new"),
];

/// No way writes to `path`, and all say why.
fn refused_by_all(path: &Path, why: &str) {
    for way in WAYS {
        let error = way(path).unwrap_err().to_string();
        assert!(error.contains(why), "{}: {error}", path.display());
    }
    let dir = path.parent().unwrap();
    let left: Vec<_> = fs::read_dir(dir).unwrap().flatten().collect();
    let is_part = |name: &OsStr| name.to_string_lossy().starts_with(".scap-");
    assert!(!left.iter().any(|entry| is_part(&entry.file_name())));
}

#[test]
fn files_are_private_and_new() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new");
    for way in WAYS {
        // Not there, and then there.
        for _ in 0..2 {
            way(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(mode(&path), 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        fs::remove_file(&path).unwrap();
    }
    create_dir(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert!(create_new(&path).is_err() && create_dir(&path).is_err());
    let longest = dir.path().join("x".repeat(255));
    write(&longest, b"1").unwrap();
    write(&longest, b"2").unwrap();
    assert_eq!(fs::read(&longest).unwrap(), b"2");
}

#[test]
fn an_existing_file_is_replaced_and_keeps_its_other_names() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("file"), dir.path().join("other"));
    for way in WAYS {
        fs::write(&path, "precious").unwrap();
        fs::hard_link(&path, &other).unwrap();
        let mut reader = File::open(&path).unwrap();
        way(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(&other).unwrap(), b"precious");
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "precious");
        fs::remove_file(&other).unwrap();
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let victim = dir.path().join("victim");
    let link = dir.path().join("link");
    for target in ["victim", "not-there", "/dev/null", "link"] {
        symlink(target, &link).unwrap();
        fs::write(&victim, "precious").unwrap();
        refused_by_all(&link, "symbolic link");
        assert!(create_new(&link).is_err() && open(&link).is_err());
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(!dir.path().join("not-there").exists());
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn own_links_on_the_way_are_followed_and_those_of_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (real, shared) = (dir.path().join("real"), shared(dir.path()));
    fs::create_dir(&real).unwrap();
    for target in [
        real.as_path(),
        Path::new("../real"),
        Path::new(".././shared/../real"),
    ] {
        let link = shared.join("link");
        symlink(target, &link).unwrap();
        for way in WAYS {
            way(&link.join("file")).unwrap();
            assert_eq!(fs::read(real.join("file")).unwrap(), b"new");
        }
        fs::remove_file(real.join("file")).unwrap();
        if is_root() {
            give_away(&link);
            for way in WAYS {
                let error = way(&link.join("file")).unwrap_err().to_string();
                assert!(
                    error.contains("link is a symbolic link of another user"),
                    "{error}"
                );
            }
            assert!(!real.join("file").exists());
        }
        fs::remove_file(&link).unwrap();
    }
    // Links that never end.
    symlink("b", shared.join("a")).unwrap();
    symlink("a", shared.join("b")).unwrap();
    assert!(create(&shared.join("a/file")).is_err());
}

#[test]
fn a_file_of_another_user_in_a_shared_directory_stays() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(dir.path());
    let path = shared.join("file");
    for shared_mode in [0o1777, 0o777, 0o1770, 0o775] {
        fs::set_permissions(&shared, fs::Permissions::from_mode(shared_mode)).unwrap();
        fs::write(&path, "precious").unwrap();
        give_away(&path);
        refused_by_all(&path, "another user");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
        mkfifoat(CWD, &path, Mode::RUSR).unwrap();
        give_away(&path);
        refused_by_all(&path, "another user");
        fs::remove_file(&path).unwrap();
    }
    // The owner of a directory that only its owner can write to has no secrets from root.
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    give_away(&home);
    let path = home.join("file");
    fs::write(&path, "old").unwrap();
    give_away(&path);
    for way in WAYS {
        way(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}

#[test]
fn directories_sockets_and_names_without_a_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    refused_by_all(&socket, "socket");
    let sub = dir.path().join("sub");
    fs::create_dir(&sub).unwrap();
    refused_by_all(&sub, "directory");
    let slash = dir.path().join("file/");
    let up = dir.path().join("sub/..");
    for path in [
        Path::new(""),
        Path::new("/"),
        Path::new("."),
        Path::new(".."),
        &slash,
        &up,
    ] {
        for way in WAYS {
            assert!(way(path).is_err(), "{}", path.display());
        }
    }
    assert!(create(&dir.path().join("none/file")).is_err());
}

#[test]
fn pipes_and_devices_are_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    for way in WAYS {
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || fs::read(pipe).unwrap())
        };
        way(&pipe).unwrap();
        assert_eq!(reader.join().unwrap(), b"new");
        way(Path::new("/dev/null")).unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        use std::os::fd::AsRawFd as _;
        way(Path::new(&format!("/dev/fd/{}", writer.as_raw_fd()))).unwrap();
        drop(writer);
        let mut got = String::new();
        reader.read_to_string(&mut got).unwrap();
        assert_eq!(got, "new");
    }
    assert!(create(Path::new("/dev/fd/987654")).is_err());
    let full = write(Path::new("/dev/full"), b"x").unwrap_err();
    assert!(is_full(&full));
}

#[test]
fn a_file_that_is_written_to_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let mut first = create(&path).unwrap();
    refused_by_all(&path, "another program is writing to it");
    first.write_all(b"first").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"first");
    drop(first);
    write(&path, b"second").unwrap();
    let (_one, first) = create_unique(dir.path(), OsStr::new("copy")).unwrap();
    let (_two, second) = create_unique(dir.path(), OsStr::new("copy")).unwrap();
    assert_eq!(first, dir.path().join("copy"));
    assert_eq!(second, dir.path().join("copy.2"));
}

#[test]
fn of_many_writers_at_once_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let path = dir.path().join(format!("file{}", round % 3));
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || create(&path).ok())
            })
            .collect();
        let won: Vec<_> = writers
            .into_iter()
            .filter_map(|w| w.join().unwrap())
            .collect();
        assert_eq!(won.len(), 1);
        let at_name = fs::metadata(&path).unwrap();
        assert_eq!(at_name.ino(), won[0].metadata().unwrap().ino());
    }
}

#[test]
fn what_others_do_to_a_file_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("file"), dir.path().join("other"));
    let watched = || {
        let mut file = WatchedFile::new(create(&path).unwrap(), &path)
            .unwrap()
            .unwrap();
        file.file_mut().write_all(b"12345").unwrap();
        assert_eq!(file.change(5), None);
        file
    };
    let file = watched();
    fs::remove_file(&path).unwrap();
    assert_eq!(file.change(5), Some(Change::Removed));

    let mut file = watched();
    fs::write(&path, "").unwrap();
    assert_eq!(file.change(5), Some(Change::Truncated(0)));
    // What is written then is no cover for what is gone.
    file.file_mut().write_all(b"67890").unwrap();
    assert_eq!(file.change(10), Some(Change::Truncated(5)));
    fs::remove_file(&path).unwrap();

    let file = watched();
    fs::write(&other, "fake").unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!(file.change(5), Some(Change::Replaced));

    let file = watched();
    fs::rename(&path, &other).unwrap();
    assert_eq!(
        file.change(5),
        Some(Change::Moved(Some(other.canonicalize().unwrap())))
    );
    symlink(&other, &path).unwrap();
    assert!(matches!(file.change(5), Some(Change::Moved(_))));
    fs::remove_file(&path).unwrap();

    let file = watched();
    let mut stranger = fs::OpenOptions::new().append(true).open(&path).unwrap();
    stranger.write_all(b"6").unwrap();
    assert_eq!(file.change(5), Some(Change::Written));
}

#[test]
fn what_is_changed_in_place_has_no_other_name() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("file"), dir.path().join("other"));
    assert!(change(&path).unwrap().is_none() && !path.exists());
    append(&path).unwrap();
    fs::write(&path, "old").unwrap();
    append(&path).unwrap();
    assert!(change(&path).unwrap().is_some());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    fs::hard_link(&path, &other).unwrap();
    assert!(append(&path).is_err() && change(&path).is_err());
    symlink("other", dir.path().join("link")).unwrap();
    assert!(append(&dir.path().join("link")).is_err());
}

#[test]
fn nameless_files_are_gone_with_their_descriptor() {
    let mut file = nameless().unwrap();
    file.write_all(b"secret").unwrap();
    let path = path_of(&file);
    assert_eq!(fs::read(&path).unwrap(), b"secret");
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    drop(file);
    assert!(!path.exists() || fs::read(&path).map_or(true, |found| found != b"secret"));
}

#[test]
fn names_are_no_options() {
    for (path, argument) in [("-rf", "./-rf"), ("a", "a"), ("/-x", "/-x"), ("--", "./--")] {
        assert_eq!(as_argument(Path::new(path)), Path::new(argument));
    }
}
