//! Changes of the machine that the kernel has no event for.

use std::{fs, os::unix::fs::symlink};

use super::tools::{bench, need};

#[test]
fn users_and_groups_that_change_while_recording_have_the_right_names() {
    let (Some(bench), Some(())) = (bench(), need("setpriv")) else {
        return;
    };
    // The machine with other users.
    let root = bench.path("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    for name in ["proc", "sys"] {
        symlink(format!("/{name}"), root.join(name)).unwrap();
    }
    let users = "root:x:0:0:root:/root:/bin/sh\nold:x:41001:41001::/:/bin/sh\n";
    fs::write(root.join("etc/passwd"), users).unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    // Renamed into place, as useradd and usermod do, without and with a directory; and written in place.
    let script = r#"
        cd "$1/etc"
        run() { setpriv --clear-groups --regid "$1" --reuid "$1" /bin/true; }
        run 41001
        run 41002
        { cat passwd; echo 'new:x:41002:41002::/home/new:/bin/sh'; } > passwd+
        mv passwd+ "$1/etc/passwd"
        { cat group; echo 'new:x:41002:'; } > group+
        mv group+ "$1/etc/group"
        run 41002
        # A file that has been replaced before the recorder looked cannot be read any more.
        sleep 1
        sed 's/^new:/other:/' passwd > passwd+
        mv passwd+ passwd
        run 41002
        sleep 1
        echo 'toor:x:0:0::/root:/bin/sh' >> passwd
        echo 'late:x:41003:41002::/:/bin/sh' >> passwd
        sleep 1
        run 41003
        grep -v -e '^other' passwd > passwd+
        mv passwd+ passwd
        run 41002
        run 0
    "#;
    let root = root.to_str().unwrap();
    bench.record(
        "users.scap",
        &["--host-root", root, "--", "sh", "-c", script, "sh", root],
    );
    let format = "*%user.uid %user.name %group.name";
    let programs = ["evt.type=execve and evt.failed=false and proc.name=true"];
    let of = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        bench.printed("users.scap", format, &programs),
        of(&[
            "41001 old <NA>",
            "41002 <NA> <NA>",
            "41002 new new",
            "41002 other new",
            "41003 late <NA>",
            "41002 <NA> new",
            "0 root root",
        ])
    );
    let changes = ["evt.type in (useradded, userdeleted, groupadded, groupdeleted)"];
    assert_eq!(
        bench.printed("users.scap", "%evt.type %evt.args", &changes),
        of(&[
            "useradded uid=41002 gid=41002 name=new home=/home/new shell=/bin/sh container_id= ",
            "groupadded gid=41002 name=new container_id= ",
            "useradded uid=41002 gid=41002 name=other home=/home/new shell=/bin/sh container_id= ",
            "useradded uid=41003 gid=41002 name=late home=/ shell=/bin/sh container_id= ",
            "userdeleted uid=41002 gid=41002 name=other home=/home/new shell=/bin/sh container_id= ",
        ])
    );
}
