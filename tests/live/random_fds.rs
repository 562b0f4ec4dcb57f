//! Random sequences of calls that make, move and close fds, also by io_uring, by message, in threads and through the
//! 32-bit entry: no name is shown that is not the one which `/proc` had at that moment.

use std::collections::HashMap;

use super::tools::{bench, number};

/// Programs; `SCAP_RANDOM_FDS` asks for more.
const PROGRAMS: u32 = 400;

#[test]
fn no_fd_has_a_name_that_is_not_its_own() {
    let Some(bench) = bench() else { return };
    let programs = std::env::var("SCAP_RANDOM_FDS").map_or(PROGRAMS, |n| n.parse().unwrap());
    let first = std::process::id();
    let program = bench.compile("cases/random_fds.c");
    let log = bench.path("log");
    let [first_text, count] = [first, programs].map(|n| n.to_string());
    let command = [
        program.to_str().unwrap(),
        &first_text,
        &count,
        log.to_str().unwrap(),
    ];
    let args = [&["--buffer-size", "512", "--"][..], &command].concat();
    bench.record("random.scap", &args);
    assert_eq!(number(&bench.summary("random.scap"), "lost"), 0);

    // What was so, in the order in which each process looked.
    let mut truth: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        truth.entry(word()).or_default().push((word(), word()));
    }
    let shown = bench.printed(
        "random.scap",
        "*%proc.pid %fd.num %fd.name",
        &["evt.type=lseek"],
    );
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let (mut named, mut unknown) = (0, 0);
    for line in &shown {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (pid, fd, name) = (word(), word(), word());
        let looks = seen.entry(pid).or_default();
        let (looked_at, link) = &truth[pid][*looks];
        *looks += 1;
        assert_eq!(fd, looked_at, "program {pid}");
        let name = if name == "<NA>" { "" } else { name };
        let link = link.strip_suffix(" (deleted)").unwrap_or(link);
        let link = link.strip_prefix("/memfd:").unwrap_or(link);
        let is_right = match link {
            // A socket's name is its ends, and other files of the kernel's own have none of their own.
            _ if link.starts_with("socket:") || link.starts_with("anon_inode:") => {
                !name.starts_with('/')
            }
            _ => name.is_empty() || name == link,
        };
        assert!(
            is_right,
            "seeds from {first}: fd {fd} of process {pid}, look {looks}, is `{link}`, not `{name}`"
        );
        let has_path = link.starts_with('/');
        named += u32::from(has_path && !name.is_empty());
        unknown += u32::from(has_path && name.is_empty());
    }
    let looks: usize = truth.values().map(Vec::len).sum();
    assert_eq!(shown.len(), looks);
    println!("{programs} programs, {looks} looks: {named} named, {unknown} files without a name");
    assert!(
        named > programs && unknown * 5 < named,
        "{named} named, {unknown} not"
    );
}
