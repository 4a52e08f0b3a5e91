# syntax=docker/dockerfile:1
# Built with: docker build -t memrl .    How to run it: docs/http.md, section Docker.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# SQLite is compiled from source; the C compiler of this image is all it needs.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package memrl-cli --bin memrl \
    && cp target/release/memrl /memrl \
    && mkdir /data

# glibc, CA certificates, and (that is `debug`) a busybox for the health check; no package manager.
FROM gcr.io/distroless/cc-debian12:debug-nonroot
COPY --from=build /memrl /usr/local/bin/memrl
# The directory brings its owner into a fresh volume.
COPY --from=build --chown=10001:10001 /data /data
ENV MEMRL_DATA_DIR=/data \
    MEMRL_HOST=0.0.0.0 \
    MEMRL_PORT=7077
USER 10001:10001
VOLUME ["/data"]
EXPOSE 7077
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/busybox/wget", "-q", "-O", "/dev/null", "http://127.0.0.1:7077/health"]
ENTRYPOINT ["/usr/local/bin/memrl"]
CMD ["serve"]
