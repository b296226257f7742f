# syntax=docker/dockerfile:1

# SQLite and the crypto library are built from source, by the C compiler that is in this image.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
# Caches are kept between builds, and are not in the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package marquee \
    && install -D --strip target/release/marquee /out/marquee \
    && install -d -m 0700 /out/data

FROM debian:12.12-slim
# The roots of trust, for KurrentDB, PostgreSQL and NATS over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/marquee /usr/local/bin/marquee
COPY --from=build --chown=10001:10001 /out/data /data
USER 10001:10001
ENV MARQUEE_DATA_DIR=/data
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080
# SIGTERM drains what is under way; give it 30 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["marquee"]
CMD ["serve", "--listen", "0.0.0.0:8080"]
