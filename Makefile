# What there is to do here; .ci/run calls nothing else.
.PHONY: image-check manifests build demo test test-page test-real test-monitoring test-plugins image chart release simulate soak check check-plugins deny bless bless-go crds plugins bench-plugin bench-template bench-fleet fuzz-template bench-clusters bench-peer bench-writes

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/spire-eks-workload-registrar
DENY_VERSION := 0.20.2
DENY := $(CACHE)/tools/$(DENY_VERSION)/bin/cargo-deny

build:
	cargo build --locked

# The whole line on one screen: a simulated world, the real program in it. Half a minute once built. ARGS=--serve keeps the
# page open until Ctrl-C.
demo:
	cargo build --locked --bin spire-eks-workload-registrar
	cargo run --locked --quiet --package registrar-world --bin demo -- $(ARGS)

# The plugins' workspace builds beside the others.
PLUGINS := cd plugins && CARGO_TARGET_DIR=$(if $(CARGO_TARGET_DIR),$(abspath $(CARGO_TARGET_DIR))/plugins,target)

# Unit, property and integration tests; the test runner's own closing lines come last. Integration tests mostly wait.
test:
	$(PLUGINS) cargo test --locked --workspace
	$(MAKE) test-page
	RUST_TEST_THREADS=8 cargo test --locked --workspace --exclude registrar-proto --lib --bins --tests

# The page in a headless Chromium, Debian's, which is installed where this may be done; told where it is not. BLESS=1 keeps the
# pictures.
test-page:
	tests/page/chromium cargo test --locked --test all -- --ignored browser_

# The same line against real servers, built once into a cache outside the checkout (ten minutes and more); then it takes two.
# Only AWS and the kubelet are stood in for. Plugins of all languages come from a registry; what of them cannot be built
# here is told and left out. Needs root: the last hop makes cgroups. KUBERNETES=1.31 has API servers of that
# version, the oldest that EKS supports (tests/real/parts/k8s-1.31).
test-real:
	tests/real/build
	plugins/build javascript python
	$(MAKE) test-monitoring
	cargo test --locked --test real

# The example plugins. What they need is installed into a cache outside the checkout; a part that this machine cannot have is
# told and left out. The Rust ones are committed: commit what changes together with plugins/sources.sha256.
plugins:
	plugins/build

# What a compiler for Wasm is needed for: the tutorial as it is written, and the cases of every example that was built.
test-plugins: plugins
	cargo test --locked --test all -- --ignored built_plugins
# What each alert fires at. The metrics that they name are held against a running registrar's in test-real.
MONITORING := $(CACHE)/monitoring
test-monitoring: $(CACHE)/real/promtool
	mkdir -p $(MONITORING)
	sed '1,/^spec:/d; s/^  //' deploy/monitoring/prometheusrule.yaml > $(MONITORING)/rules.yaml
	cp tests/monitoring/alerts.yaml $(MONITORING)/
	$(CACHE)/real/promtool check rules $(MONITORING)/rules.yaml
	$(CACHE)/real/promtool test rules $(MONITORING)/alerts.yaml

$(CACHE)/real/promtool:
	tests/real/build prometheus

# The core and the writer's ways under schedules made from seeds: SEEDS many from FIRST on, or SEED alone once more. One
# that fails is made small and printed.
simulate:
	SEEDS=$(or $(SEEDS),100000) cargo test --locked --release --package registrar-core --lib simulation::nothing -- --nocapture

# What takes longer than CI should.
soak:
	$(MAKE) simulate SEEDS=100000
	cargo test --locked --test all -- --ignored --nocapture --skip bench_ --skip browser_ --skip built_plugins
	tests/real/build
	STOPPED_SECONDS=180 cargo test --locked --test real -- outages
	LEADER_ROUNDS=200 cargo test --locked --test real -- leader

# 300 clusters of 200 pods in one process: start, steady state, the loss of a hundred. Figures in target/bench/clusters.json.
bench-clusters:
	cargo test --locked --release --test all -- --ignored --nocapture bench_300

# Beside spire-controller-manager, each alone with the same real SPIRE server, API server and pods: CPU of a new pod, memory,
# time until all are registered. A table and target/bench/peer.json. A quarter of an hour once built.
bench-peer:
	tests/real/build
	tests/real/build scm
	cargo test --locked --release --test real -- --ignored bench_peer

# How many entries a second are written, beside bare loops in the same run: to SPIRE's stand-in, with a restart that finds all
# in place (target/bench/writes.json), and to a real SPIRE server (target/bench/writes-real.json). Five minutes once built.
bench-writes:
	tests/real/build
	cargo test --locked --release --test all -- --ignored --nocapture bench_writes
	cargo test --locked --release --test real -- --ignored bench_writes

# Formatting, lints, documentation, licences; warnings denied. That crds/ is up to date is a test.
check: deny check-plugins
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --test real -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

# The same of the plugins' own workspace.
check-plugins:
	$(PLUGINS) cargo fmt --all --check
	$(PLUGINS) cargo clippy --locked --workspace --all-targets -- -D warnings
	$(PLUGINS) RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --package registrar-plugin

# Licences, sources and bans always; advisories where their database can be reached.
deny: $(DENY)
	$(DENY) --locked check licenses bans sources
	@if timeout 60 $(DENY) --locked fetch db >/dev/null 2>&1 </dev/null; then $(DENY) --locked check advisories; \
	else echo "advisories: the database cannot be reached from here, not checked"; fi

$(DENY):
	cargo install cargo-deny --version $(DENY_VERSION) --locked --root $(CACHE)/tools/$(DENY_VERSION)

# Rewrites the committed answers of golden tests, crds/ and docs/images/ among them. Read the difference before you commit it.
bless:
	BLESS=1 cargo test --locked --test all
	BLESS=1 $(MAKE) test-page

# Asks Go's own text/template again, and Kubernetes' types by reflection. Recorded answers are not for editing.
GOTEMPLATE := cd tests/gotemplate && go run . -facts ../cases/gotemplate/facts
bless-go:
	$(GOTEMPLATE) -types ../../src/core/derive/template/types/table.rs
	$(GOTEMPLATE) -templates ../cases/gotemplate/recorded.txt -out ../cases/gotemplate/recorded.jsonl
	$(GOTEMPLATE) -templates ../cases/gotemplate/more.txt -out ../cases/gotemplate/more.jsonl
	$(GOTEMPLATE) -random 700 -seed 20 -out ../cases/gotemplate/random.jsonl

# What a rendering costs, beside Go's in the same run where Go is installed; what the limits cost.
bench-template:
	cargo bench --locked --package registrar-core --bench template

# What a decision of a plugin costs beside a bare loop over the same component in the same run, and what loading does, for
# each example that is built: target/bench/plugin.json. Then the program itself: a start of 100,000 pods with a plugin and with
# templates, and a slow plugin beside other identities: target/bench/plugin-program.json.
bench-plugin:
	cargo test --locked --release --bin spire-eks-workload-registrar -- --ignored --nocapture bench_plugin
	cargo test --locked --release --test all -- --ignored --nocapture bench_plugin

# From a watch's bytes to a batch for SPIRE, up to 500,000 pods: a table, curves and target/bench/fleet.json. Three minutes once built.
bench-fleet:
	cargo bench --locked --package registrar-core --bench fleet

# A million templates made of the recorded ones and of pieces; the summary is printed.
fuzz-template:
	FUZZ_EXECUTIONS=1000000 cargo test --locked --release --package registrar-core --lib fuzz -- --nocapture

crds:
	cargo run --locked -- crds --out crds
	cp crds/*.yaml deploy/helm/spire-eks-workload-registrar/crds/

# Renders the chart into deploy/kustomize; that it is up to date is a test of test-real.
manifests: $(CACHE)/real/helm
	deploy/kustomize/render $(CACHE)/real/helm deploy/kustomize

$(CACHE)/real/helm:
	tests/real/build helm

# The image, by whichever of these is there; at most 60 MB.
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE ?= spire-eks-workload-registrar
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(if $(shell command -v $(engine)),$(engine))))
IMAGE_BYTES := 60000000
image:
	$(or $(ENGINE),$(error none of docker, podman, buildah is here)) build --tag $(IMAGE):$(VERSION) \
	    --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) .
	deploy/image/size $(ENGINE) $(IMAGE):$(VERSION) $(IMAGE_BYTES)

# The same without a base image, where buildah and musl-tools are; told where they are not.
image-check:
	deploy/image/check $(IMAGE_BYTES)

# The chart checked, rendered and packed into target/chart.
CHART := deploy/helm/spire-eks-workload-registrar
HELM := $(CACHE)/real/helm
chart: $(HELM)
	$(HELM) lint --strict $(CHART) --set config.trustDomain=example.org
	$(HELM) template $(CHART) --set config.trustDomain=example.org > /dev/null
	$(HELM) package $(CHART) --destination target/chart

# What the workflow of a tag runs: TAG has to be the version; IMAGE, CHARTS and REGISTRY say where it goes.
release: image chart
	@[ "$(TAG)" = "v$(VERSION)" ] || { echo "error: the tag $(TAG) is not v$(VERSION), the version in Cargo.toml" >&2; exit 1; }
	@echo "$$REGISTRY_TOKEN" | $(ENGINE) login --username "$$REGISTRY_USER" --password-stdin $(REGISTRY)
	@echo "$$REGISTRY_TOKEN" | $(HELM) registry login --username "$$REGISTRY_USER" --password-stdin $(REGISTRY)
	$(ENGINE) push $(IMAGE):$(VERSION)
	$(HELM) push target/chart/spire-eks-workload-registrar-$(VERSION).tgz $(CHARTS)
