# What there is to do here; .ci/run calls nothing else.
.PHONY: build test check bless crds

build:
	cargo build --locked

# Unit, property and integration tests; the test runner's own closing lines come last.
test:
	cargo test --locked --workspace --exclude registrar-proto --lib --bins --tests

# Formatting, lints and documentation, warnings denied. That crds/ is up to date is a test.
check:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

# Rewrites the committed answers of golden tests, crds/ among them. Read the difference before you commit it.
bless:
	BLESS=1 cargo test --locked --test all

crds:
	cargo run --locked -- crds --out crds
