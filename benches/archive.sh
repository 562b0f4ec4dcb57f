#!/bin/sh
# Searches an archive of 1,000 captures for an indicator that none has, and for one that some have.
#
#     benches/archive.sh CAPTURE [CAPTURES [ROUNDS]]
#
# The captures are links to seven slices of CAPTURE, a long one: their indexes are in the page cache after the first round, as are
# those of an archive that is searched again. Prints the size of
# the archive and the median of each search in seconds. The release build is used.
set -eu
capture=$1
count=${2:-1000}
rounds=${3:-3}
cd "$(dirname "$0")/.."
scap=${CARGO_TARGET_DIR:-target}/release/scap
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/archive"
events=$("$scap" info "$capture" | awk '$1 == "events" { gsub(",", "", $2); print $2; exit }')
parts=7
for part in $(seq 0 $((parts - 1))); do
    "$scap" slice "$capture" -o "$dir/$part" --from "#$((events * part / parts + 1))" \
        --to "#$((events * (part + 1) / parts))" 2>/dev/null
done
for number in $(seq "$count"); do
    ln "$dir/$((number % parts))" "$dir/archive/$number.scap"
done
size=$(stat -c %s "$dir/0")
echo "$count captures of $((size / 1000000)) MB and about $((events / parts)) events"
ask() {
    row=$1
    shift
    for _ in $(seq "$rounds"); do
        start=$(date +%s%N)
        "$scap" search "$@" "$dir/archive" >/dev/null 2>"$dir/said"
        echo $((($(date +%s%N) - start) / 10000)) >>"$dir/$row.times"
    done
    sort -n "$dir/$row.times" | awk -v row=$(((rounds + 1) / 2)) -v what="$row" \
        'NR == row { printf "%s: %.2f s, ", what, $1 / 100000 }'
    cat "$dir/said"
}
ask absent-name name:nosuchname
ask absent-path path:/tmp/nosuchfile
ask absent-address 192.0.2.77
# The program with the fewest events.
ask present-name name:"$("$scap" top "$dir/3" --by proc.name -n 0 | awk '{ name = $3 } END { print name }')"
