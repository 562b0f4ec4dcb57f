//! The sessions that are recorded.

use std::{io::Write as _, path::Path, process::Command, time::Duration};

use super::{
    super::{capture::has_snapshot, tools::bench},
    PRELUDE, Session,
};

/// A shell doing what shells do.
const SHELL: &str = r#"
export TRUTH=so; ask start
cd /usr/share; ask cd; cd ../lib/..; ask cd-up
mkdir gone 2>/dev/null; W=$(mktemp -d); cd $W; mkdir d; cd d; rmdir ../d; ask deleted-cwd; cd $W
exec 3</etc/passwd 4>written 5>>appended 6<>both; rm written; ln -s /etc link; exec 7<link/hostname; ask redirected
exec 3<&- 5>&6; ask moved; exec 4>&- 6>&- 7<&-
echo x | { ask pipe-first; cat >/dev/null; } | cat
true | { ask pipe-last; cat >/dev/null; }
( ask subshell )
( exec -a strange bash -c 'ask exec-a; :' )
printf '#!/bin/bash\nask script\n' > script; chmod +x script; ./script 'an arg' ''
ulimit -n 512; ask limit
set -m; bash -c 'ask own-group; :' ; { ask group-of-pipe; true; } | cat; set +m
setsid -w bash -c 'ask setsid; bash -c "ask in-session; :"'
TRUTH=else bash -c 'ask environment; :'
bash -c 'ask middle; bash -c "ask inner; :"; :'
cat </dev/null | bash -c 'ask reads-pipe; :' >/dev/null
rm -r "$W"
"#;

#[test]
fn a_shell_session() {
    let Some(bench) = bench() else { return };
    let session = Session::shell(&bench, "shell.scap", SHELL);
    // A file has the name by which it was opened, also through a link.
    let compared = session.check(&[("redirected", "fd 7"), ("moved", "fd 7")]);
    println!("{compared} values are as in /proc");
}

/// Other users, other roots, orphans.
const IDENTITIES: &str = r#"
ask top
su nobody -s /bin/bash -c 'ask su; ( ask su-subshell; : )'
su -s /bin/bash - daemon -c 'exec 8>/proc/$PPID/fd/8' 2>/dev/null
setpriv --reuid 1 --regid 2 --clear-groups bash -c 'ask setpriv; :'
setpriv --inh-caps=-all --bounding-set=-all,+chown bash -c 'ask bounded; :'
runuser -u games -- bash -c 'ask runuser; :'
echo 4242 >/proc/self/loginuid 2>/dev/null; ask login; bash -c 'ask logged-in; :'
bash -c 'bash -c "sleep 0.2; ask orphan; :" & ' ; sleep 0.6
bash -c '( ( sleep 0.2; ask grandchild-of-none ) & ) ; :'; sleep 0.6
bash -c 'setsid bash -c "sleep 0.2; ask daemon; :" &' ; sleep 0.6
bash -c 'bash -c "bash -c \"sleep 0.3; ask leafs-parent-is-gone; :\"; ask middle-one; :" & '; sleep 0.8
nice unshare --fork --pid bash -c 'ask own-pids; bash -c "ask own-pids-child; :"; ( ( sleep 0.1; ask own-pids-orphan ) & ); sleep 0.4'
unshare --user --map-root-user bash -c 'ask own-users; :'
unshare --mount --uts bash -c 'ask own-mounts; :'
"#;

#[test]
fn users_and_orphans() {
    let Some(bench) = bench() else { return };
    let session = Session::shell(&bench, "users.scap", IDENTITIES);
    // It is set through a file of /proc, which no call tells; the next program of the session has it.
    let login = ("login", "user.loginuid");
    let can_login = Path::new("/proc/self/loginuid").exists();
    let compared = session.check(&can_login.then_some(login).into_iter().collect::<Vec<_>>());
    println!("{compared} values are as in /proc");
    // Whoever adopted them: all of them were started by the session's shell.
    let top = session.truths[0].tid;
    let strangers = format!("not (proc.pid={top} or proc.lineage.pid={top})");
    let found = session.read(&strangers, "*%proc.pid %proc.name %evt.type");
    assert!(found.is_empty(), "{found:?}");
    let orphans = format!("proc.lineage.pid={top} and not proc.apid={top}");
    let orphans = session.read(&orphans, "*%proc.pid");
    assert!(!orphans.is_empty());
}

/// Cases of `truth.c`, with what is known to be otherwise.
fn cases(names: &[&str], excused: &[(&str, &str)]) -> Vec<String> {
    let Some(bench) = bench() else {
        return Vec::new();
    };
    bench.compile("truth.c");
    let runs: Vec<String> = names
        .iter()
        .map(|name| {
            format!(
                "mkdir {name} && cd {name} && ln ../truth . && ./truth {name} && cd .. || exit 1"
            )
        })
        .collect();
    let session = Session::shell(&bench, "cases.scap", &runs.join("; "));
    let compared = session.check(excused);
    println!("{compared} values are as in /proc");
    session.truths.into_iter().map(|t| t.label).collect()
}

#[test]
fn files_of_every_kind() {
    cases(&["fds", "sharing", "passing", "failures"], &[]);
}

#[test]
fn threads_and_programs() {
    // A first thread that has ended is counted by the kernel until the others have.
    let zombie = ("leader-is-gone", "proc.nthreads");
    // Asked when the program was executed, for the user of that time.
    let writable = ("first", "proc.is_exe_writable");
    let names = ["threads", "leader", "vfork", "anonymous", "reuse", "reaper"];
    let others = ("leader-is-gone", "proc.nchilds");
    // Ids are reused only where one can be asked for.
    let can_reuse = Path::new("/proc/sys/kernel/ns_last_pid").exists();
    let mut excused = vec![zombie, others];
    excused.extend(can_reuse.then_some(writable));
    let asked = cases(&names, &excused);
    let has_reused = asked.iter().any(|label| label == "second");
    assert!(asked.is_empty() || has_reused == can_reuse);
}

#[test]
fn owners_and_roots() {
    let writable = ["seteuid", "setreuid", "setresuid", "capset", "setuid"];
    let mut excused: Vec<_> = writable.map(|label| (label, "proc.is_exe_writable")).into();
    // The user for files alone takes some of the capabilities with it, which is not followed.
    excused.push(("setfsuid", "thread.cap_effective"));
    cases(&["owners", "chroot"], &excused);
}

/// What was there before the recording comes from `/proc`.
#[test]
fn processes_older_than_the_recording() {
    let Some(bench) = bench() else { return };
    bench.compile("truth.c");
    let shell = "cd /usr/share; exec 3</etc/passwd 5>>log; export TRUTH=old; ulimit -n 700; \
                 read -r -u 7; ask old-shell; ( ask child-of-old; ); cd ../lib; \
                 exec 3<&- bash -c 'ask exec-of-old; :'";
    let programs = ["exec ./truth before", shell];
    for fifo in ["go-0", "go-1", "ask", "answer"] {
        bench.fifo(fifo);
    }
    let go = ["go-0", "go-1"].map(|fifo| bench.open_fifo(fifo));
    let start = |(at, script)| {
        let script = format!("{PRELUDE} exec 7<go-{at}; {script}");
        let mut bash = Command::new("bash");
        bash.args(["-c", &script])
            .current_dir(bench.dir.path())
            .spawn()
            .unwrap()
    };
    let olds: Vec<_> = programs.iter().enumerate().map(start).collect();
    let capture = bench.path("old.scap");
    let names = ["bash", "truth", "truth-main", "truth-thread"];
    let names = names.iter().flat_map(|name| ["--comm", name]);
    let args: Vec<_> = ["-M", "5"].into_iter().chain(names).collect();
    let session = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !has_snapshot(&capture) {
                std::thread::sleep(Duration::from_millis(20));
            }
            // One after the other: only one may wait for an answer.
            for (mut go, mut old) in go.iter().zip(olds) {
                go.write_all(b"\n").unwrap();
                assert!(old.wait().unwrap().success());
            }
        });
        Session::new(&bench, "old.scap", &args, |_, _| {})
    });
    let compared = session.check(&[]);
    println!("{compared} values are as in /proc");
}
