#!/bin/sh
# Makes testdata/chisels/*.scap, one for each scene of this directory (or for those named): plays it as root
# and records it, then leaves only what belongs to it (tests/sample.rs). Every scene has mounts and a network of
# its own, so that nothing of the machine is touched: /etc and /var are written to a copy in memory, homes and
# /tmp are empty, and the attacker's machine is an address for documents (RFC 5737) on the loopback.
# Needs bash, perl, curl, gcc, make, git, ip, unshare, setsid, logger, script and crontab's directories.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
if [ "${1-}" = --inside ]; then
    exec "$here/play.sh" "$2" "$3"
fi
if [ -z "${SCAP-}" ]; then
    cargo build --release --manifest-path "$root/Cargo.toml"
    SCAP=${CARGO_TARGET_DIR:-$root/target}/release/scap
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The program's own path is in the snapshot.
cp "$SCAP" "$work/scap.sample"
# Names of cgroups are in clone and execve events.
for procs in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs; do
    [ -e "$procs" ] && echo $$ > "$procs"
done
[ $# -gt 0 ] || set -- $(cd "$here/scenes" && ls | sed 's/\.sh$//')
for scene; do
    unshare --mount --net "$here/make.sh" --inside "$scene" "$work"
    SCAP_SAMPLE_FROM=$work/$scene.scap SCAP_SAMPLE_TO=$here/$scene.scap \
        cargo test --locked --manifest-path "$root/Cargo.toml" --test cli -- --ignored sample::make_sample
done
