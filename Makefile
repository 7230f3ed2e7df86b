# `make check` is what CI runs.
TOOLS := $(CURDIR)/.cache/tools
DENY := $(TOOLS)/bin/cargo-deny
DENY_VERSION := 0.20.2

.PHONY: check fmt lint deny test bless bench try differential

check: fmt lint deny test

fmt:
	cargo fmt --all --check
	cargo fmt --manifest-path tests/aws/emulator/Cargo.toml --check

lint:
	cargo clippy --workspace --all-targets -- --deny warnings

deny: $(DENY)
	$(DENY) check bans licenses sources

$(DENY):
	cargo install cargo-deny@$(DENY_VERSION) --locked --root $(TOOLS)

test:
	cargo test --workspace

bless:
	ROLECALL_BLESS=1 cargo test --workspace --quiet

bench:
	benches/load.sh
	benches/check.sh
	cargo bench --workspace

try:
	cargo run --release -- try

# The evaluator against iam-simulate; needs node.
differential:
	cd tests/differential && npm ci --no-audit --no-fund
	cargo run --release -p rolecall-reference --bin rolecall-differential -- --cases 20000 --seed 1 --out target/differential
