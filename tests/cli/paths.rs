//! Relative paths start where the kernel starts.

use crate::common::{TestEvent, event, i64b, scap, seen, story, u32b, write};
use scap_capture_format::schema::types;

/// The directory of the story's shell.
const CWD: &str = "/home/alice";

/// What a format prints for calls after fd 3 was opened on `/home/alice/dir`.
fn printed(format: &str, calls: Vec<TestEvent>) -> Vec<String> {
    let mut open = story().remove(0);
    open.params[2] = b"dir\0".to_vec();
    let mut events = vec![open];
    events.extend(calls);
    for (at, event) in (1..).zip(&mut events) {
        event.at = at * 1000;
    }
    let capture = write(&events, 4, true);
    let format = format!("*{format}");
    let (out, err, code) = seen(&scap(
        &["read", "-", "-p", &format, "evt.num>1"],
        Some(&capture),
    ));
    assert_eq!((err.as_str(), code), ("", 0));
    out.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn targets_of_links_start_at_the_link() {
    let symlink = |target: &[u8], link: &[u8]| {
        event(0, 100, types::SYSCALL_SYMLINK_X, &[&i64b(0), target, link])
    };
    let symlinkat = |target: &[u8], dirfd: i64, link: &[u8]| {
        event(
            0,
            100,
            types::SYSCALL_SYMLINKAT_X,
            &[&i64b(0), target, &i64b(dirfd), link],
        )
    };
    let lines = printed(
        "%fs.path.source %fs.path.target %fs.path.targetraw",
        vec![
            symlink(b"hosts\0", b"/tmp/d/one\0"),
            symlink(b"../x\0", b"sub/two\0"),
            symlink(b"/etc/passwd\0", b"three\0"),
            symlinkat(b"../x\0", 3, b"two\0"),
            symlinkat(b"x\0", -100, b"two\0"),
            symlinkat(b"x\0", 3, b"/etc/two\0"),
            // The directory is not known.
            symlinkat(b"x\0", 9, b"two\0"),
        ],
    );
    assert_eq!(
        lines,
        [
            "/tmp/d/one /tmp/d/hosts hosts".to_owned(),
            format!("{CWD}/sub/two {CWD}/x ../x"),
            format!("{CWD}/three /etc/passwd /etc/passwd"),
            format!("{CWD}/dir/two {CWD}/x ../x"),
            format!("{CWD}/two {CWD}/x x"),
            "/etc/two /etc/x x".to_owned(),
            "<UNKNOWN>two <UNKNOWN>x x".to_owned(),
        ]
    );
}

#[test]
fn two_directories_of_one_call() {
    let (old, new) = (&b"a\0"[..], &b"b\0"[..]);
    let flags = u32b(0);
    let call = |ty, params: &[&[u8]]| event(0, 100, ty, params);
    let lines = printed(
        "%evt.abspath.src %evt.abspath.dst",
        vec![
            call(
                types::SYSCALL_LINKAT_2_X,
                &[&i64b(0), &i64b(3), old, &i64b(-100), new, &flags],
            ),
            call(
                types::SYSCALL_RENAMEAT2_X,
                &[&i64b(0), &i64b(-100), old, &i64b(3), new, &flags],
            ),
            call(
                types::SYSCALL_RENAMEAT_X,
                &[&i64b(0), &i64b(3), b"/a\0", &i64b(3), new],
            ),
            call(
                types::SYSCALL_FCHOWNAT_X,
                &[&i64b(0), &i64b(3), old, &flags, &flags, &flags],
            ),
        ],
    );
    assert_eq!(
        lines,
        [
            format!("{CWD}/dir/a {CWD}/b"),
            format!("{CWD}/a {CWD}/dir/b"),
            format!("/a {CWD}/dir/b"),
            format!("{CWD}/dir/a {CWD}/dir/a"),
        ]
    );
}

#[test]
fn enter_events_have_their_directory() {
    let lines = printed(
        "%evt.args",
        vec![event(
            0,
            100,
            types::SYSCALL_OPENAT_2_E,
            &[&i64b(3), b"x\0", &u32b(1), &u32b(0)],
        )],
    );
    assert_eq!(
        lines,
        [format!(
            "dirfd=3(<f>{CWD}/dir) name=x({CWD}/dir/x) flags=1(O_RDONLY) mode=0"
        )]
    );
}

#[test]
fn the_source_of_a_mount_is_not_always_a_path() {
    let mount = |source: &[u8], flags: u32| {
        event(
            0,
            100,
            types::SYSCALL_MOUNT_X,
            &[&i64b(0), source, b"mnt\0", b"x\0", &u32b(flags)],
        )
    };
    let lines = printed(
        "%fs.path.source %fs.path.sourceraw %fs.path.target",
        vec![
            mount(b"proc\0", 0),
            mount(b"from\0", 0x1000),
            mount(b"from\0", 0x2000),
            mount(b"/dev/sda1\0", 1),
        ],
    );
    assert_eq!(
        lines,
        [
            format!("<NA> proc {CWD}/mnt"),
            format!("{CWD}/from from {CWD}/mnt"),
            format!("{CWD}/from from {CWD}/mnt"),
            format!("/dev/sda1 /dev/sda1 {CWD}/mnt"),
        ]
    );
}
