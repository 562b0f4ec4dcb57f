#!/bin/sh
# Makes testdata/sample.scap: records the made-up break-in of this directory, as root, then leaves only
# what belongs to it (tests/sample.rs). Needs bash, curl, perl and setpriv.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
cargo build --release --manifest-path "$root/Cargo.toml"
work=$(mktemp -d)
mkdir /tmp/demo
trap 'rm -rf "$work" /tmp/demo /usr/bin/scap.sample' EXIT
# The program's own path is in the snapshot.
cp "${CARGO_TARGET_DIR:-$root/target}/release/scap" /usr/bin/scap.sample
cp "$here/session.sh" "$here/server.pl" /tmp/demo
cp "$here/stage.sh" /tmp/demo/payload
chmod 644 /tmp/demo/*
chown -R nobody:nogroup /tmp/demo
# Names of cgroups are in clone and execve events.
for procs in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs; do
    [ -e "$procs" ] && echo $$ > "$procs"
done
cd /tmp/demo
env -i PATH=/usr/bin:/bin TZ=UTC /usr/bin/scap.sample record -q -w "$work/raw.scap" -- \
    setpriv --reuid=nobody --regid=nogroup --clear-groups bash session.sh \
    </dev/null >/dev/null 2>/dev/null
cd "$root"
SCAP_SAMPLE_FROM=$work/raw.scap cargo test --test cli -- --ignored sample::make_sample
