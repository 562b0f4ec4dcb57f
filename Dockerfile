# A small image with nothing in it but scap: docker build -t scap .
#
# How to run it, and what it needs, is in docs/kubernetes.md.
ARG BUILDER=rust:1.95-slim-bookworm
FROM ${BUILDER} AS build
# LuaJIT is built with it.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends make
WORKDIR /src
COPY . .
# Linked statically, so that the image needs no C library.
RUN RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --profile dist --locked --target x86_64-unknown-linux-gnu

FROM scratch
COPY --from=build /src/target/x86_64-unknown-linux-gnu/dist/scap /scap
ENTRYPOINT ["/scap"]
CMD ["--help"]
