//! Random structured changes of captures, from seeds.
//!
//! `SCAP_MUTATIONS=20000` runs more of them. A failure says its seed; `SCAP_MUTATION_SEED=N` runs that one alone, and keeps
//! the file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{story, write};
use crate::random::Random;
use crate::{native, run, sysdig};

/// Mutations in an ordinary run.
const ORDINARY: u64 = 500;

#[expect(clippy::print_stderr, reason = "says what failed")]
fn say(seed: u64) {
    eprintln!("mutation {seed} failed");
}

fn testdata(name: &str) -> Vec<u8> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata");
    std::fs::read(dir.join(name)).unwrap()
}

/// Returns a mutated capture.
fn mutated(seed: u64, natives: &[native::File], sysdigs: &sysdig::File) -> Vec<u8> {
    let mut random = Random(seed);
    let rounds = 1 + random.below(3);
    if random.chance(4) {
        let mut file = sysdigs.clone();
        (0..rounds).for_each(|_| file.mutate(&mut random));
        return file.bytes();
    }
    let mut file = natives[random.below(natives.len())].clone();
    (0..rounds).for_each(|_| file.mutate(&mut random));
    // An attacker makes the index right, or leaves it as it is.
    if random.chance(2) {
        file.repair_index();
    }
    file.bytes()
}

#[test]
fn commands_agree_on_mutated_captures() {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let only = number("SCAP_MUTATION_SEED");
    let total = number("SCAP_MUTATIONS").unwrap_or(ORDINARY);
    let natives = [
        write(&story(), 3, true),
        testdata("sample.scap"),
        testdata("chisels/container_escape.scap"),
    ];
    let natives = natives.map(|bytes| native::File::of(&bytes));
    let sysdigs = sysdig::File::of(&testdata("compressed/sysdig.scap"));
    let next = AtomicU64::new(only.unwrap_or(0));
    let failed = Mutex::new(Vec::new());
    let end = only.map_or(total, |seed| seed + 1);
    let work = || {
        let dir = tempfile::tempdir().unwrap();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let path = dir.path().join("mutated.scap");
            let ask = || {
                std::fs::write(&path, mutated(seed, &natives, &sysdigs)).unwrap();
                let opinion = run::opinion(dir.path(), &path);
                // The rules read as the others do: one in twenty is enough.
                if seed.is_multiple_of(20) {
                    run::rules(dir.path(), &path, opinion);
                }
            };
            if catch_unwind(AssertUnwindSafe(ask)).is_err() {
                say(seed);
                failed.lock().unwrap().push(seed);
                if only.is_some() {
                    let kept = std::env::temp_dir().join(format!("mutation-{seed}.scap"));
                    std::fs::copy(&path, &kept).unwrap();
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    assert_eq!(
        failed.into_inner().unwrap(),
        [0_u64; 0],
        "these seeds failed"
    );
}
