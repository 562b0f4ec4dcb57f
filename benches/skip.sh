#!/bin/sh
# Questions about a small part of a capture, to scap on its native file and to sysdig 0.29.3 on the same in its format, in turn.
#
#     benches/skip.sh CAPTURE.scap [ROUNDS [ROWS]]
#
# ROWS: names of rows, separated by spaces. All by default; whole outputs of large captures take sysdig minutes.
# Prints the median of each in seconds. The release build is used, with one thread unless the row says two.
set -eu
capture=$1
rounds=${2:-5}
rows=${3:-}
cd "$(dirname "$0")/.."
scap=${CARGO_TARGET_DIR:-target}/release/scap
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$scap" convert --to sysdig "$capture" "$dir/sysdig.scap" 2>/dev/null
# A name that few events have.
rare=$("$scap" top "$capture" --by proc.name -n 0 |
    awk '$1 > 9 && $1 < 200 { sub(/^ *[0-9]+ +[0-9.]+ +/, ""); print; exit }')
# A container, if there are any.
container=$("$scap" top "$capture" --by container.id -n 9 | awk 'length($NF) == 12 && $NF !~ /[^0-9a-f]/ { print $NF; exit }')

# Adds the seconds that a command takes to a file.
timed() {
    file=$1
    shift
    start=$(date +%s%N)
    "$@" >/dev/null 2>"$dir/errors" || {
        cat "$dir/errors"
        exit 1
    }
    echo $((($(date +%s%N) - start) / 10000)) >>"$dir/$file"
}
median() {
    sort -n "$dir/$1" | awk -v row=$(((rounds + 1) / 2)) 'NR == row { printf "%.2f", $1 / 100000 }'
}
ask() {
    row=$1
    theirs=$2
    shift 2
    case " ${rows:-$row} " in
    *" $row "*) ;;
    *) return ;;
    esac
    for _ in $(seq "$rounds"); do
        timed "$row.scap" "$scap" read "$capture" --threads=1 "$@"
        timed "$row.two" "$scap" read "$capture" --threads=2 "$@"
        case $theirs in
        '') timed "$row.sysdig" sysdig -r "$dir/sysdig.scap" ;;
        # shellcheck disable=SC2086 # options
        -*) timed "$row.sysdig" sysdig -r "$dir/sysdig.scap" $theirs ;;
        *) timed "$row.sysdig" sysdig -r "$dir/sysdig.scap" "$theirs" ;;
        esac
    done
    echo "$row: sysdig $(median "$row.sysdig"), scap $(median "$row.scap"), with two threads $(median "$row.two")"
}
echo "a name: $rare"
ask absent-type evt.type=ptrace evt.type=ptrace
ask absent-name proc.name=nosuchname proc.name=nosuchname
ask rare-name "proc.name='$rare'" "proc.name='$rare'"
ask one-second 'evt.reltime>=50000000000 and evt.reltime<51000000000' --from +50s --to +51s
ask absent-path fd.name=/no/such/path fd.name=/no/such/path
ask absent-address fd.sip=192.0.2.1 fd.sip=192.0.2.1
ask name-and-fd 'proc.name=git and fd.name contains objects' 'proc.name=git and fd.name contains objects'
[ -z "$container" ] || ask container "container.id=$container" "container.id=$container"
ask lines ''
ask json -j -j
ask chisel '-c topprocs_net' -c topprocs_net
