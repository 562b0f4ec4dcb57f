//! What `scap convert` writes, sysdig reads: the same events with the same fields.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::known;
use crate::sysdig::{self, CAPTURES, captures};

/// Fields asked of sysdig in one run.
const AT_ONCE: usize = 20;

#[test]
fn sysdig_reads_what_is_converted() {
    let Some(dir) = captures() else {
        return;
    };
    let fields = sysdig::printable_fields(&dir);
    let names: Vec<&str> = fields.iter().map(|f| &*f.name).collect();
    let out = tempfile::tempdir().unwrap();
    let mut differ: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    let mut pairs = 0_u64;
    for capture in CAPTURES {
        convert(&dir, capture, out.path());
        for names in names.chunks(AT_ONCE) {
            if let Some(count) = compare(&dir, out.path(), capture, names, &mut differ) {
                pairs += count;
                continue;
            }
            for name in names {
                let name = std::slice::from_ref(name);
                pairs += compare(&dir, out.path(), capture, name, &mut differ).unwrap_or(0);
            }
        }
    }
    eprintln!("{pairs} values compared");
    // 0.29.3 reads it from the wrong place in the newer process lists, not in what is written for it.
    differ.remove("user.loginname");
    let is_random = |name: &str| {
        let mut random = known::VALUES.iter().filter(|k| k.random);
        random.any(|k| k.fields.contains(&name))
    };
    let wrong: Vec<String> = differ
        .iter()
        .filter(|(name, _)| !is_random(name))
        .map(|(name, (count, example))| format!("{name}: {count} values differ, {example}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn convert(dir: &Path, capture: &str, out: &Path) {
    let name = format!("{capture}.scap");
    let output = Command::new(env!("CARGO_BIN_EXE_scap"))
        .arg("convert")
        .args([dir.join(&name), out.join(&name)])
        .args(["--to", "sysdig"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{capture}: {said}");
}

/// Compares some fields. `None`: sysdig cannot print one of them.
fn compare<'f>(
    dir: &Path,
    out: &Path,
    capture: &str,
    names: &[&'f str],
    differ: &mut BTreeMap<&'f str, (u64, String)>,
) -> Option<u64> {
    let format = sysdig::format(names);
    let before = sysdig::run(dir, capture, &["-p", &format]).ok()?;
    let after = sysdig::run(out, capture, &["-p", &format]).unwrap();
    let (before, after) = (sysdig::records(&before), sysdig::records(&after));
    assert_eq!(before.len(), after.len(), "{capture}: {names:?}");
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before[0], after[0], "{capture}");
        for (i, name) in names.iter().enumerate() {
            let (old, new) = (before[i + 1], after[i + 1]);
            // Paths of unix sockets are written without the end of the line that they were taken from.
            let is_same = match *name {
                "fdlist.names" => old.replace('\n', "") == new,
                _ => old == new,
            };
            if !is_same {
                let example = format!("{capture} {}: {old:?}, {new:?}", before[0]);
                differ.entry(name).or_insert((0, example)).0 += 1;
            }
        }
    }
    Some((before.len() * names.len()) as u64)
}
