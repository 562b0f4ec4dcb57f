//! Conditions on ancestors, and on those who started a process.

use crate::common::{event, i64b, u32b};
use crate::semantics::{holds, run};
use scap::filter::Filter;
use scap_capture_format::schema::types;

#[test]
fn ancestors() {
    let two = |text: &str| holds(&format!("evt.type = getuid and ({text})"));
    assert!(two("proc.name = sshd and proc.aname = systemd"));
    assert!(two("proc.aname = sshd"));
    assert!(two("proc.aname in (x, systemd)"));
    assert!(two("proc.aname != sshd"), "one ancestor is another");
    assert!(two("proc.aname != systemd"));
    assert!(!two("proc.aname != anyof ()"));
    assert!(!two("proc.aname = bash"));
    assert!(two("proc.aname contains yst"));
    assert!(two(
        "proc.aname[1] = sshd and proc.aname[2] = systemd and proc.aname[0] = sshd"
    ));
    assert!(two(
        "proc.apid = 1 and proc.apid = 50 and not proc.apid = 60"
    ));
    assert!(two("proc.apid in (1)"));
}

/// A process whose maker has ended: its parent is another, who started it is the same.
#[test]
fn lineages() {
    let (fork, reaper) = (i64b(70), i64b(1));
    let clone: Vec<&[u8]> = [&fork[..], b"sh\0"].into_iter().collect();
    let events = [
        event(0, 60, types::SYSCALL_CLONE_20_X, &clone),
        event(
            1000,
            60,
            types::PROCEXIT_1_E,
            &[b"", b"", b"", b"", &reaper],
        ),
        event(2000, 70, types::SYSCALL_GETUID_X, &[&u32b(0)]),
    ];
    let orphan = |text: &str| {
        let mut filter = Filter::parse(text).unwrap();
        run(&mut filter, &events).contains(&3)
    };
    assert!(orphan("proc.ppid = 1 and not proc.aname = sshd"));
    assert!(orphan("proc.lineage = sshd and proc.lineage = systemd"));
    assert!(orphan("proc.lineage[1] = sshd and proc.lineage[2] = sshd"));
    assert!(orphan(
        "proc.lineage[0] = sshd and proc.lineage[3] = systemd"
    ));
    assert!(!orphan("proc.lineage[4] exists"));
    assert!(orphan("proc.lineage in (x, systemd)"));
    assert!(!orphan("proc.lineage = bash"));
    assert!(orphan("proc.lineage.pid = 60 and proc.lineage.pid = 50"));
    assert!(
        !orphan("proc.lineage.pid = 70"),
        "not of the process itself"
    );
    assert!(orphan(
        "proc.lineage.pid[0] = 70 and proc.lineage.pid[1] = 60"
    ));
    assert!(orphan("proc.lineage.pid in (50, 51)"));
    assert!(orphan(
        "proc.lineage.cmdline[1] = 'sshd -la -n 5 --color /tmp'"
    ));
    assert!(orphan("proc.lineage.cmdline contains '--color'"));
    assert!(orphan(
        "proc.lineage.exe exists and proc.lineage.exepath exists"
    ));
    for text in ["tolower(proc.lineage) = a", "proc.name = val(proc.lineage)"] {
        assert!(Filter::parse(text).is_err(), "{text}");
    }
}
