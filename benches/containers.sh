#!/bin/sh
# Measures what idle containers add to a recorded syscall: loops on CPU 0, the recorder on CPU 1, bare and recorded,
# without containers and with CONTAINERS (50), interleaved.
#
#     benches/containers.sh [CONTAINERS [ROUNDS]]
#
# Needs root, cc, taskset, a static busybox and a running Docker daemon (DOCKER_HOST: its socket, unix:///…). Prints
# calls per second: the median of the rounds (5), and all of them.
set -eu
cd "$(dirname "$0")/.."
count=${1:-50}
rounds=${2:-5}
socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
socket=${socket#unix://}
cargo build --release --locked
scap=${CARGO_TARGET_DIR:-target}/release/scap
work=$(mktemp -d)
cc -O2 -o "$work/storm" benches/workloads/storm.c
mkdir -p "$work/image/bin"
cp /bin/busybox "$work/image/bin/"
tar -C "$work/image" -c . | docker import - scap-bench:local >/dev/null
names=$(seq -f scap-bench-%.0f "$count")
clean() {
    # shellcheck disable=SC2086 # a list
    docker rm -f $names >/dev/null 2>&1 || true
    docker rmi scap-bench:local >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT
for name in $names; do
    docker create --network none --name "$name" scap-bench:local /bin/busybox sleep 1000000 >/dev/null
done
# Both loops; their lines begin with the name given.
loops() {
    for loop in getpid file; do
        echo "$1 $(taskset -c 0 "$work/storm" $loop 1)" >>"$work/results"
    done
}
both() {
    loops "bare $1"
    taskset -c 1 "$scap" record -q -w "$work/bench.scap" --container-socket "$socket" &
    sleep 1.5
    loops "recorded $1"
    kill -INT $!
    wait $! || true
}
for _ in $(seq "$rounds"); do
    both 0
    # shellcheck disable=SC2086 # a list
    docker start $names >/dev/null
    sleep 1
    both "$count"
    # shellcheck disable=SC2086 # a list
    docker kill $names >/dev/null
    sleep 1
done
sort -k3,3 -k1,1 -k2,2n -k4,4n "$work/results" | awk '
    function print_line() { if (n) printf "%-7s %-9s %3s containers: %9d  (%s )\n", w[3], w[1], w[2], v[int((n + 1) / 2)], all }
    { key = $1 $2 $3; if (key != last) { print_line(); n = 0; all = ""; last = key; split($0, w) } v[++n] = $4; all = all " " $4 }
    END { print_line() }'
