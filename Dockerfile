# The registrar's image: `make image`. Its user is the one of SPIRE's own images, so that it may open the server's socket.
FROM rust:1.95-bookworm AS build
# Instead of rust-toolchain.toml, which asks for clippy and rustfmt too.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --locked --release --bin spire-eks-workload-registrar \
    && strip --strip-all -o /registrar target/release/spire-eks-workload-registrar

# glibc, CA roots and nothing else; no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spire-eks-workload-registrar" \
      org.opencontainers.image.description="Gives every pod of a fleet of EKS clusters its SPIFFE identity" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /registrar /usr/bin/spire-eks-workload-registrar
COPY --from=build /source/LICENSE /usr/share/doc/spire-eks-workload-registrar/LICENSE
USER 1000:1000
ENTRYPOINT ["/usr/bin/spire-eks-workload-registrar"]
CMD ["run", "--config", "/etc/spire-eks-workload-registrar/config.yaml"]
