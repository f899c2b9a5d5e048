# Everything a developer does; "make" alone lists it. Needs Python 3.11 or newer, make and git, nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STUBS := .stubs
PROTOS := $(shell find protos -name '*.proto')

# Tests with real Envoys wait more than they compute, so three run at a time even on two processors. The tests of one
# module stay together: they may share what is costly to start.
TEST_WORKERS ?= 3
ARGS ?=

.PHONY: help
help: ## List these targets
	@echo "make TARGET, for example: make demo"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.installed $(VENV)/.protos $(STUBS)/.generated ## Create the environment in .venv (the other targets do it by themselves)

.PHONY: demo
demo: setup ## Real Envoys, sample services and a live view, without any cluster (ARGS=--once: the story once)
	@$(BIN)/fairlead demo $(ARGS)

.PHONY: test
test: setup ## Run all tests
	@$(BIN)/pytest -q -n $(TEST_WORKERS) --dist loadscope $(ARGS)

.PHONY: check
check: setup ## Check format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: fmt
fmt: setup ## Format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: golden
golden: setup ## Rewrite the expected files of the golden tests; review the difference
	$(BIN)/pytest -q tests/golden --update-golden $(ARGS)

.PHONY: bench
bench: setup ## Run the benchmarks and print their tables
	$(BIN)/python -m bench $(ARGS)

PEERS := bench/peers
.PHONY: bench-peers
bench-peers: $(PEERS)/sovereign/build/.installed ## Build what "fairlead bench --compare" compares with; needs Go
	cd $(PEERS)/gocontrolplane && go build -o build/gocontrolplane .

.PHONY: fuzz
fuzz: setup ## Run the property tests with 10,000 examples each, and 10,000 messages of garbage
	FAIRLEAD_FUZZ=1 $(BIN)/pytest -q -m 'hypothesis or fuzz' -n $(TEST_WORKERS) --timeout 3600 $(ARGS)

.PHONY: soak
soak: setup ## Run the tests that repeat things, as often as it takes: a hundred restarts under load, ...
	FAIRLEAD_SOAK=1 $(BIN)/pytest -q -m soak -n $(TEST_WORKERS) --dist loadscope --timeout 3600 $(ARGS)

.PHONY: lock
lock: setup ## Refresh the lock files after a change in pyproject.toml (ARGS=--upgrade: newest versions)
	tools/lock $(ARGS)

.PHONY: system-deps
system-deps: ## Install what tests with network namespaces want (apt-get and root)
	@tools/system-deps

.PHONY: kubernetes-tools
kubernetes-tools: ## Build helm for the tests of the chart, with Go (ARGS="etcd kube-apiserver": a real API server)
	@tools/kubernetes-tools $(ARGS)

.PHONY: clean
clean: ## Remove what was generated, and the environment
	rm -rf $(VENV) $(STUBS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
	find protos -name '*_pb2*' -delete

# The stamps below make a second "make setup" free.

$(BIN)/python:
	@tools/create-environment $(VENV)

$(VENV)/.installed: locks/dev.txt pyproject.toml setup.py | $(BIN)/python
	@echo "installing the dependencies into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.protos: $(PROTOS) setup.py $(VENV)/.installed
	@$(BIN)/python setup.py --quiet build_protos --inplace
	@touch $@

$(STUBS)/.generated: tools/envoy_stubs.py locks/dev.txt $(VENV)/.installed
	@$(BIN)/python tools/envoy_stubs.py $(STUBS)
	@touch $@

$(PEERS)/sovereign/build/.installed: $(PEERS)/sovereign/requirements.txt | setup
	@tools/create-environment $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
