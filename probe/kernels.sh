#!/bin/sh
# Boots kernels under qemu and records in them: does their verifier accept the probe, is a capture written
# and read back, who adopts an orphan, which container is a process in that moves, and does a filter by
# container find it?
#
#     probe/kernels.sh path/to/vmlinuz-5.10… path/to/vmlinuz-6.1…
#
# Needs qemu-system-x86_64, cpio, a static busybox (Debian: qemu-system-x86 cpio busybox-static), and
# kernels with BTF (Debian: `apt-get download linux-image-…-cloud-amd64`, `dpkg -x`). Takes half a minute each.
set -eu
cd "$(dirname "$0")/.."
cargo build --locked
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/mnt" "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"
strip -o "$root/bin/scap" "${CARGO_TARGET_DIR:-target}/debug/scap"
for library in $(ldd "$root/bin/scap" | grep -o '/[^ ]*'); do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
scap record -q -w /tmp/c.scap -- sh -c 'ls / >/dev/null; ( ( sleep 1; ls /orphan ) & ); sleep 2' 2>&1
adopted=$(scap read -p %proc.ppid /tmp/c.scap "evt.type=newfstatat and evt.args contains /orphan" 2>&1 | head -1)
id=$(printf '0123456789abcdef%.0s' 1 2 3 4)
mount -t cgroup2 cgroups /mnt && mkdir -p /mnt/docker/$id
(echo 0 > /mnt/docker/$id/cgroup.procs; while sleep 1; do ls /before; done) 2>/dev/null &
(while sleep 1; do ls /elsewhere; sh -c "echo \$\$ > /mnt/docker/$id/cgroup.procs; ls /moved"; done) 2>/dev/null &
scap record -q -M 4 -w /tmp/d.scap container.id=0123456789ab 2>&1
moved=$(echo $(scap read -p '%container.id %evt.args' /tmp/d.scap evt.type=newfstatat 2>&1 |
    grep -o '^[^ ]* \|/before\|/moved\|/elsewhere' | sort -u))
[ "$moved" = "/before /moved 0123456789ab" ] || echo "moved: $moved"
scap read -q /tmp/c.scap && [ "$adopted" = 1 ] && [ "$moved" = "/before /moved 0123456789ab" ] && echo "RESULT: $(uname -r) works"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd.gz"
failed=
for kernel in "$@"; do
    timeout 240 qemu-system-x86_64 -accel tcg -cpu max -m 1500 -smp 2 -nographic -no-reboot \
        -kernel "$kernel" -initrd "$work/initrd.gz" -append "console=ttyS0 quiet panic=-1" > "$work/log" 2>&1 || true
    if ! grep -a -o 'RESULT: .*works' "$work/log"; then
        failed=yes
        echo "FAILED: $kernel"
        tail -30 "$work/log"
    fi
done
[ -z "$failed" ]
