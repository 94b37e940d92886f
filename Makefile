# What people do with Acuity. Every recipe sets up what it needs; CI runs `make check`.

bin = $(shell cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release

# Where it is there, programs say which crates they are made of.
auditable = $(if $(shell command -v cargo-auditable),auditable)

CLIP = clips/big-buck-bunny.mp4
pushed = operator media-node enhancer trainer $(if $(CUDA),enhancer-cuda trainer-cuda)

demo_options = --clip $(CLIP) $(if $(RUN_SECONDS),--seconds $(RUN_SECONDS)) $(DEMO)

help: ## this text
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what building and running needs
	@scripts/setup.sh

setup-tests: ## the same, and what the tests need
	@scripts/setup.sh --tests

build: setup ## all programs, release
	cargo $(auditable) build --locked --release --workspace --exclude control-plane --exclude e2e-cluster --bins

print-bin: ## the folder that `make build` puts the programs into
	@echo $(bin)

demo: build ## a live stream, enhanced while you watch (RUN_SECONDS=60, CLIP=file, DEMO="more options")
	$(bin)/acuity demo $(demo_options)

test: setup-tests ## all tests
	cargo test --locked --workspace

e2e: setup-tests ## what the README promises of Kubernetes, on a cluster made for it (or KUBECONFIG's); needs root
	@scripts/e2e.sh $(SCENARIOS)

check: format clippy deny test e2e ## everything CI asks for

format: setup-tests ## is the code formatted?
	cargo fmt --all --check

clippy: setup-tests ## lints
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny: setup-tests ## licences, bans and sources of all dependencies
	@scripts/deny.sh

fuzz: setup ## every fuzz target for FUZZ_SECONDS (default 30); needs a nightly toolchain and cargo-fuzz
	@scripts/fuzz.sh

bench: build ## benchmarks of the data plane, as one table
	@scripts/bench.sh --workspace --exclude operator --exclude control-plane

bench-operator: setup-tests ## benchmarks of the control plane, against a real API server, as one table
	@scripts/bench.sh --package operator --package control-plane

images: build ## container images of all parts, without a registry; needs root (CUDA=1: those for NVIDIA GPUs, too)
	@scripts/setup/packages.sh --cluster
	@images/build.sh $(bin) $(pushed) nats

push: registry-named images ## copy them to REGISTRY=registry.example.com/acuity, and write images.yaml for Helm; needs root
	@images/push.sh "$(REGISTRY)" images.yaml $(pushed)

registry-named:
	@[ "$(REGISTRY)" ] || { echo 'push: to which registry? make push REGISTRY=registry.example.com/acuity' >&2; exit 1; }

cluster: images ## a real one-node Kubernetes on this machine with Acuity in it; needs root
	@cluster/cluster up
	@cluster/cluster install
	@echo "export KUBECONFIG=$$(cluster/cluster kubeconfig)"

cluster-down: ## end it, and remove all it left
	@cluster/cluster down

chart: setup-tests ## write what the chart repeats of the rest
	cargo run --locked --quiet -p charts --bin chartgen

clean: ## remove what was built; the cache folder stays
	cargo clean

.PHONY: help setup setup-tests build print-bin demo test e2e check format clippy deny fuzz bench bench-operator images push registry-named cluster cluster-down chart clean
