# `make check`: format, lints, dependencies and tests. `.ci/run` is what CI runs: the same over the lock file as it is, then `fuzz-check` and
# `differential` where a nightly toolchain and npm are installed.
TOOLS := $(CURDIR)/.cache/tools
DENY := $(TOOLS)/bin/cargo-deny
DENY_VERSION := 0.20.2
FUZZ := $(TOOLS)/bin/cargo-fuzz
FUZZ_VERSION := 0.13.2
MUTANTS := $(TOOLS)/bin/cargo-mutants
MUTANTS_VERSION := 27.1.0

.PHONY: check fmt lint deny advisories test manifests bless bench soak bench-evaluator try cluster browser differential differential-long law fuzz fuzz-check mutants mutants-core actions

check: fmt lint deny test

fmt:
	cargo fmt --all --check
	cargo fmt --manifest-path tests/aws/emulator/Cargo.toml --check

lint:
	cargo clippy --workspace --all-targets -- --deny warnings
	set -e; for features in "" aws kube; do \
	  cargo clippy --no-default-features --features "$$features" --lib --bins -- --deny warnings; \
	done
	RUSTDOCFLAGS="--deny warnings" cargo doc --no-deps --workspace

deny: $(DENY)
	$(DENY) check bans licenses sources

# Known vulnerabilities and yanked versions in every lock file. Needs the network: the databases of RustSec, npm and Go.
LOCKED := Cargo.toml fuzz/Cargo.toml benches/evaluator/Cargo.toml tests/aws/emulator/Cargo.toml
advisories: $(DENY)
	set -e; failed=; \
	for manifest in $(LOCKED); do \
	  echo "== $$manifest"; \
	  $(DENY) --manifest-path $$manifest --config $(CURDIR)/deny.toml check advisories || failed="$$failed $$manifest"; \
	done; \
	for folder in src/actions/data tests/differential; do \
	  echo "== $$folder/package-lock.json"; \
	  (cd $$folder && npm audit --package-lock-only) || failed="$$failed $$folder"; \
	done; \
	for folder in tests/cluster tests/input/decoder tests/tools; do \
	  echo "== $$folder/go.mod"; \
	  (cd $$folder && go run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...) || failed="$$failed $$folder"; \
	done; \
	if [ -n "$$failed" ]; then echo "advisories found, or the databases could not be read:$$failed"; exit 1; fi

$(DENY):
	cargo install cargo-deny@$(DENY_VERSION) --locked --root $(TOOLS)

test:
	cargo test --workspace

# What kubectl applies, written from the chart.
manifests:
	ROLECALL_BLESS=1 cargo test --workspace --locked --test chart -- the_manifests_come_from_the_chart

bless:
	ROLECALL_BLESS=1 cargo test --workspace --quiet

bench:
	benches/load.sh
	benches/check.sh
	benches/scan.sh
	benches/replay.sh
	benches/who-can.sh
	cargo bench --workspace
	$(MAKE) bench-evaluator

# The evaluator beside iam-rs and iam-simulate; needs node.
bench-evaluator:
	cd tests/differential && npm ci --no-audit --no-fund
	cargo run --release --locked --manifest-path benches/evaluator/Cargo.toml --target-dir target/evaluator

try:
	cargo run --release --no-default-features -- try

# A control plane on loopback with rolecall in it, to try things on until Ctrl-C; ROLECALL=BINARY for one that is built already.
cluster:
	examples/cluster/run.sh

# The report page in a real Chromium, with axe-core; needs node. Installs Debian's Chromium where there is none.
browser:
	cargo build --workspace --locked
	cd tests/browser && npm ci --no-audit --no-fund && ROLECALL_PROGRAM=$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/rolecall node --test --test-reporter=spec

# The evaluator against iam-simulate; needs node.
differential:
	cd tests/differential && npm ci --no-audit --no-fund
	cargo run --release -p rolecall-reference --bin rolecall-differential -- --cases 20000 --seed 1 --out target/differential

# Writes AWS's actions again, from the version that src/actions/data/package.json names; needs node.
actions:
	cd src/actions/data && npm ci --no-audit --no-fund && node refresh.mjs

# The same, long: say SEED=3 for other cases. The seed is printed.
SEED ?= 2
differential-long:
	cd tests/differential && npm ci --no-audit --no-fund
	ROLECALL_CASES=200000 ROLECALL_SEED=$(SEED) cargo test --release -p rolecall-reference --test ours
	cargo run --release -p rolecall-reference --bin rolecall-differential -- --cases 200000 --seed $(SEED) --out target/differential

# The law of the three values over a million documents of each kind.
law:
	PROPTEST_CASES=1000000 cargo test --release -p rolecall-iam --test law

# Each target for so many seconds; needs the nightly toolchain. `make fuzz TARGETS=review SECONDS_EACH=3600` for one.
SECONDS_EACH ?= 120
TARGETS ?= parse evaluate wildcard review manifests snapshot reread
fuzz: $(FUZZ)
	set -e; for target in $(TARGETS); do \
	  mkdir -p fuzz/corpus/$$target; \
	  case $$target in parse|evaluate|wildcard|reread) length=4096 ;; *) length=262144 ;; esac; \
	  RUSTUP_TOOLCHAIN=nightly $(FUZZ) run --fuzz-dir fuzz --features webhook $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$(SECONDS_EACH) -max_len=$$length; \
	done

# Each target for a few seconds from its seeds: what CI has time for. Without a sanitizer and with few optimizations the
# build takes a few minutes; panics and failed assertions are found all the same.
CHECK_SECONDS ?= 10
fuzz-check: $(FUZZ)
	RUSTUP_TOOLCHAIN=nightly $(FUZZ) build --dev --sanitizer none --fuzz-dir fuzz --target-dir target/fuzz-check --features webhook
	set -e; for target in $(TARGETS); do \
	  corpus=$$(mktemp -d); mkdir -p fuzz/artifacts/$$target; \
	  case $$target in parse|evaluate|wildcard|reread) length=4096 ;; *) length=65536 ;; esac; \
	  echo "== $$target for $(CHECK_SECONDS) s"; \
	  target/fuzz-check/*/debug/$$target -seed=1 -max_total_time=$(CHECK_SECONDS) -max_len=$$length -print_final_stats=1 \
	    -artifact_prefix=fuzz/artifacts/$$target/ $$corpus fuzz/seeds/$$target 2> $$corpus.log || { tail -50 $$corpus.log; exit 1; }; \
	  grep -E 'number_of_executed_units' $$corpus.log; rm -r $$corpus $$corpus.log; \
	done

$(FUZZ):
	cargo install cargo-fuzz@$(FUZZ_VERSION) --locked --root $(TOOLS)

# Mutation testing of the evaluator (.cargo/mutants.toml); about an hour. ARGUMENTS='--file src/iam/case_analysis.rs' for a part.
ARGUMENTS ?=
mutants: $(MUTANTS)
	CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 PROPTEST_CASES=150 ROLECALL_CASES=1000 \
	  PATH="$(TOOLS)/bin:$$PATH" cargo mutants --package rolecall-iam --jobs 1 --output target $(ARGUMENTS)

# The same for the chain, the identity and the combined policies (.cargo/mutants-core.toml); several hours.
# ARGUMENTS='--shard 0/20' for a part.
mutants-core: $(MUTANTS)
	CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 PROPTEST_CASES=30 \
	  PATH="$(TOOLS)/bin:$$PATH" cargo mutants --config .cargo/mutants-core.toml --package rolecall-core --package rolecall-iam \
	  --jobs 1 --output target/core $(ARGUMENTS)

$(MUTANTS):
	cargo install cargo-mutants@$(MUTANTS_VERSION) --locked --root $(TOOLS)

# `rolecall serve` under load for an hour while AWS, the API server, certificates and roles change (docs/reliability.md).
# `make soak SECONDS=120` is the shortest form.
SECONDS ?= 3600
soak:
	cargo build --release
	SOAK_SECONDS=$(SECONDS) SOAK_PROGRAM=$(or $(CARGO_TARGET_DIR),target)/release/rolecall \
	  cargo test --test soak -- --ignored --nocapture
