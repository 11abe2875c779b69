# The registrar's image: `make image`. Its user is the one of SPIRE's own images, so that it may open the server's socket.
FROM rust:1.95-bookworm AS build
# Instead of rust-toolchain.toml, which asks for clippy and rustfmt too.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN apt-get update && apt-get install --yes --no-install-recommends musl-tools
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    deploy/image/build /image

# A static program, CA roots and nothing else; no shell, no libraries. `make image-check` builds from here on.
FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spire-eks-workload-registrar" \
      org.opencontainers.image.description="Gives every pod of a fleet of EKS clusters its SPIFFE identity" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
USER 1000:1000
ENTRYPOINT ["/usr/bin/spire-eks-workload-registrar"]
CMD ["run", "--config", "/etc/spire-eks-workload-registrar/config.yaml"]
