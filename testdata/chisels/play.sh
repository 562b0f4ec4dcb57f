#!/bin/sh
# Plays one scene in mounts and a network that make.sh has made for it, and records it: play.sh SCENE WORK.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scene=$1
work=$2
mount --make-rprivate /
copy=/mnt
mount -t tmpfs none "$copy"
for dir in etc var; do
    mkdir "$copy/$dir" "$copy/$dir.work"
    mount -t overlay -o "lowerdir=/$dir,upperdir=$copy/$dir,workdir=$copy/$dir.work" none "/$dir"
done
mkdir "$copy/usr" "$copy/usr.work"
mount -t overlay -o "lowerdir=/usr/local,upperdir=$copy/usr,workdir=$copy/usr.work" none /usr/local
# What is in there stays to be seen at another place.
mkdir "$copy/here" "$copy/out"
mount --bind "$here" "$copy/here"
mount --bind "$work" "$copy/out"
cp "$work/scap.sample" /usr/local/bin/scap.sample
for dir in /root /home /run /opt; do
    mount -t tmpfs none "$dir"
done
mkdir -p /root/.ssh /home/ann /run/lock
cp "$copy/here/scenes/$scene.sh" /root/scene.sh
cp "$copy/here/kit.sh" /root/kit.sh
cp "$copy/here/other.pl" /root/other.pl
if [ "$scene" = office ]; then
    cp "$copy/here/office.pl" /root/office.pl
    # The socket of the system's log is to be the scene's own.
    mkdir "$copy/dev" "$copy/dev/shm"
    for device in null zero random urandom tty; do cp -a "/dev/$device" "$copy/dev"; done
    mount --bind "$copy/dev" /dev
fi
# The other machine's program reads the kit from where no one of this machine looks.
ip link set lo up
for address in 192.0.2.10 203.0.113.66 $(seq -f 198.51.100.%g 1 24); do
    ip address add "$address/32" dev lo
done
setsid perl /root/other.pl /root/kit.sh </dev/null >/dev/null 2>&1 &
other=$!
trap 'kill -- "-$other"' EXIT
mount -t tmpfs none /tmp
mount -t tmpfs none /dev/shm
cd /root
sleep 0.3
if [ "$scene" = container_escape ]; then
    # What Docker names the cgroup of a container.
    id=$(printf '%s' "$scene" | sha256sum | cut -c1-64)
    cgroups=/sys/fs/cgroup/memory
    [ -e $cgroups ] || cgroups=/sys/fs/cgroup
    mkdir -p "$cgroups/docker/$id"
    echo $$ > "$cgroups/docker/$id/cgroup.procs"
    trap 'kill -- "-$other"; echo $$ > "$cgroups/cgroup.procs"; rmdir "$cgroups/docker/$id"' EXIT
fi
env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root TZ=UTC LC_ALL=C \
    scap.sample record -q -w "$copy/out/$scene.scap" -- bash scene.sh \
    </dev/null >"$copy/out/$scene.out" 2>&1 || cat "$copy/out/$scene.out"
