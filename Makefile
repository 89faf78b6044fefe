.DEFAULT_GOAL := help
.PHONY: help build run test fmt lint package-crates semver mutants features unit package deploy-test bench bench-hostile bench-operations bench-migration load openapi fuzz soak failover upgrade-test

# Without -p, cargo settles on one set of features for the whole workspace and builds each dependency once.

# nextest runs the tests of all packages in parallel; without it cargo's own runner does.
ifneq ($(shell command -v cargo-nextest 2>/dev/null),)
TEST_RUNNER := cargo nextest run --workspace
else
TEST_RUNNER := cargo test --workspace --lib --bins --tests --no-fail-fast
endif

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the server
	cargo build --workspace --bins

run: ## Start the server on SQLite with a demo customer, and print curl lines to try
	cargo run --bin license-manager -- serve --demo

test: ## Check formatting and lints, then run every test on SQLite and on Postgres
	cargo fmt --all --check
	$(MAKE) --no-print-directory lint
	cargo test --workspace --doc
	$(MAKE) --no-print-directory package-crates
	tests/with-postgres $(TEST_RUNNER)

fmt: ## Format the code
	cargo fmt --all

lint: ## Run clippy, build the documentation of the crates that others build on, and check the dependencies and the alerts, without a warning
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --test alerts -- -D warnings
	tests/deny
	tests/alerts
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features -p license-manager-domain --document-private-items
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features -p license-manager-domain -p license-manager-contract

package-crates: ## Package the crates that others build on, and embed the packages in a program outside; OPTIONS=--offline
	tests/package-crates $(OPTIONS)

semver: ## Compare the crates that others build on with the commit named in semver-baseline
	command -v cargo-semver-checks >/dev/null || cargo install cargo-semver-checks --locked
	cargo semver-checks -p license-manager-domain -p license-manager-contract --all-features \
		--baseline-rev "$$(cat semver-baseline)"

mutants: ## Change the rules of the domain one by one, and see whether its tests notice; MUTANTS="--file GLOB" chooses some
	command -v cargo-mutants >/dev/null || cargo install cargo-mutants --locked
	cargo mutants --package license-manager-domain $(MUTANTS)

features: ## Build the domain and the adapters with parts of their features
	tests/features

unit: ## Run the tests that need neither a server nor a database
	cargo test -p license-manager-domain
	cargo test -p license-manager -p license-manager-tests --lib --bins --test server

package: ## Build a Debian package below target/debian
	deploy/package

deploy-test: ## Install, start, upgrade and remove the package on a plain Debian, which needs root; check the manifests; have alerts fire
	deploy/package
	tests/deploy
	tests/manifests
	tests/alerts-live

bench: ## Measure the server beside hand-written SQL, on both databases
	cargo build --release --bin license-manager --bin bench
	tests/with-postgres cargo run --release --bin bench

bench-hostile: ## Measure what hostile clients cost the others, on both databases
	cargo build --release --bin license-manager --bin bench-hostile
	tests/with-postgres cargo run --release --bin bench-hostile

load: ## Play a day in a minute on each database; LOAD="SECONDS [postgres|sqlite]" changes that
	cargo build --release --bin license-manager --bin load
	tests/with-postgres cargo run --release --bin load -- $(LOAD)

openapi: ## Write docs/openapi.json anew, with examples from real answers
	UPDATE_OPENAPI=1 cargo test --workspace --test openapi the_committed_document
	cargo build --workspace --bins
	UPDATE_OPENAPI=1 cargo test --workspace --test e2e openapi::real_answers

fuzz: ## Fuzz the parsers with cargo-fuzz, and the running server with schemathesis from PyPI, on both databases
	tests/fuzz-parsers
	cargo build --workspace --bins
	tests/fuzz sqlite
	tests/with-postgres tests/fuzz postgres

bench-operations: ## Measure the recurring operations on a million licenses, on both databases
	cargo build --release --bin license-manager --bin bench-operations
	tests/with-postgres cargo run --release --bin bench-operations

bench-migration: ## Measure an import of a million licenses from the Django service, on both databases
	cargo build --release --bin license-manager --bin bench-migration
	tests/with-postgres cargo run --release --bin bench-migration

soak: ## Run servers through kills and failures, on both databases, for an hour each; PREVIOUS=BINARY runs an older one beside
	cargo build --release --bin license-manager --bin soak
	cargo run --release --bin soak -- $(if $(PREVIOUS),--previous $(PREVIOUS)) $(SOAK)

failover: ## Kill a primary under load while its synchronous standby takes over; FAILOVER="--patroni --rounds NUMBER --clients NUMBER"
	cargo build --release --bin license-manager --bin failover
	cargo run --release --bin failover -- $(FAILOVER)

upgrade-test: ## Upgrade servers of the previous commit behind HAProxy, and run them beside today's through kills, on both databases; COMMIT=… names another one
	cargo build --workspace --bins
	cargo build --release --bin license-manager --bin soak
	previous=$$(tests/previous $(COMMIT)) && \
		PREVIOUS_PROGRAM="$(CURDIR)/$$previous" \
			tests/with-postgres cargo test --workspace --test e2e several_servers::only_requests && \
		cargo run --release --bin soak -- --previous "$$previous" --requests 5000 --minutes 2 --faults 24
