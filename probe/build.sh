#!/bin/sh
# Rebuilds probe/prebuilt/scap-probe.o from source and writes down what built it; beside it floor.o,
# which only the benchmarks load.
# Needs Debian's rustc-web and rust-web-src (a compiler with the source of `core`), LLVM 22 and
# bpf-linker; --install fetches them first (as root). --source-hash only prints what BUILD-INFO is to
# say of the sources, and needs nothing.
set -eu
export LC_ALL=C
cd "$(dirname "$0")"
# Every file that decides what the object is, in a fixed order.
source_hash() {
    cat ebpf/src/*.rs common/src/*.rs ebpf/Cargo.toml ebpf/Cargo.lock \
        ebpf/.cargo/config.toml common/Cargo.toml | sha256sum | cut -d' ' -f1
}
if [ "${1:-}" = --source-hash ]; then
    source_hash
    exit
fi
if [ "${1:-}" = --install ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends \
        rustc-web rust-web-src llvm-22-dev libpolly-22-dev zlib1g-dev libzstd-dev libxml2-dev >/dev/null
    if ! bpf-linker --version 2>/dev/null | grep -q 0.13.0; then
        LLVM_PREFIX=/usr/lib/llvm-22 RUSTFLAGS="-L /usr/lib/llvm-22/lib" \
            cargo install bpf-linker@0.13.0 --locked --quiet --no-default-features --features llvm-22
    fi
fi
rustc=${SCAP_PROBE_RUSTC:-/usr/bin/rustc}
# The object's line information names source files. Where they lie on this machine is nobody's
# business, and would make another object of the same sources elsewhere.
RUSTC=$rustc cargo fetch --locked --quiet --manifest-path ebpf/Cargo.toml
remap="'--remap-path-prefix=$PWD=probe'"
for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    remap="$remap, '--remap-path-prefix=$crates=crates'"
done
(cd ebpf && RUSTC_BOOTSTRAP=1 RUSTC=$rustc cargo build --release --locked --ignore-rust-version \
    --config "target.bpfel-unknown-none.rustflags=[$remap]")
mkdir -p prebuilt
built=${CARGO_TARGET_DIR:-../target/probe}/bpfel-unknown-none/release
for name in scap-probe floor; do
    object=$built/$name
    [ $name = floor ] && object=$built/scap-floor
    # Names of inner functions hold a hash of where the sources lie.
    rename=$(llvm-nm-22 --format=just-symbols "$object" |
        sed -n 's/^\(_R.*C\)s[0-9A-Za-z]*_\([0-9].*\)$/--redefine-sym=&=\1\2/p')
    # shellcheck disable=SC2086 # a list without blanks in its words
    llvm-objcopy-22 --strip-debug $rename "$object" prebuilt/$name.o
    if grep -aqF -e "$PWD" -e "${CARGO_HOME:-$HOME/.cargo}" prebuilt/$name.o; then
        echo "$name.o names a path of this machine" >&2
        exit 1
    fi
done
cat > prebuilt/BUILD-INFO <<EOF
rustc: $($rustc --version)
bpf-linker: $(bpf-linker --version | cut -d' ' -f2)
llvm: $(llvm-objcopy-22 --version | sed -n 's/.*version //p' | head -1)
source sha256: $(source_hash)
object sha256: $(sha256sum < prebuilt/scap-probe.o | cut -d' ' -f1)
EOF
cat prebuilt/BUILD-INFO
