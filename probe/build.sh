#!/bin/sh
# Rebuilds probe/prebuilt/scap-probe.o from source and writes down what built it; beside it floor.o,
# which only benches/record loads.
# Needs Debian's rustc-web and rust-web-src (a compiler with the source of `core`), LLVM 22 and
# bpf-linker; --install fetches them first (as root).
set -eu
cd "$(dirname "$0")"
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
# The line information names source files: it should not tell, or depend on, where they lay.
flags="target.bpfel-unknown-none.rustflags=[
  '--remap-path-prefix=$(pwd)=probe',
  '--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=registry',
]"
(cd ebpf && RUSTC_BOOTSTRAP=1 RUSTC=$rustc \
    cargo build --release --locked --ignore-rust-version --config "$flags")
mkdir -p prebuilt
built=${CARGO_TARGET_DIR:-../target/probe}/bpfel-unknown-none/release
llvm-objcopy-22 --strip-debug "$built/scap-probe" prebuilt/scap-probe.o
llvm-objcopy-22 --strip-debug "$built/scap-floor" prebuilt/floor.o
# Every file that decides what the object is, in a fixed order.
source_hash=$(cat ebpf/src/*.rs common/src/*.rs ebpf/Cargo.toml ebpf/Cargo.lock \
    ebpf/.cargo/config.toml common/Cargo.toml | sha256sum | cut -d' ' -f1)
cat > prebuilt/BUILD-INFO <<EOF
rustc: $($rustc --version)
bpf-linker: $(bpf-linker --version | cut -d' ' -f2)
llvm: $(llvm-objcopy-22 --version | sed -n 's/.*version //p' | head -1)
source sha256: $source_hash
object sha256: $(sha256sum < prebuilt/scap-probe.o | cut -d' ' -f1)
EOF
cat prebuilt/BUILD-INFO
