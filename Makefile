# Every target sets up what it needs; only Python 3.11+, make and git must be installed.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# pip compiles what it installs, but not the folders that an editable installation points to.
COMPILE = $(BIN)/python -m compileall -q certline board cli models producers simulator workers
# Test processes in parallel: tests spend most of their time waiting. They share one RabbitMQ server.
JOBS ?= 3
TESTS = $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
# What `make cluster-faults` plays: clusters, failovers, several hosts, two versions, restores.
CLUSTERS = $(addprefix tests/, faults/cluster faults/failover faults/hosts faults/upgrade integration/restore)

# The tools of `make audit` and `make sbom`, apart from what they look at.
AUDIT ?= .venv-audit

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all lint check format asyncapi metrics dashboard faults cluster-faults drill lock audit sbom bench up down clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.demo ## Run the main workflow from nothing: servers, simulator, a certificate's whole lifecycle
	@$(BIN)/certline demo

test: .venv/.dev ## Run the fast tests against real servers (yours, containers or private ones)
	@$(BIN)/python -m tests.servers
	@$(TESTS) -m "not slow" $(PYTEST)

test-slow: .venv/.dev ## Run the slow tests: kills, network faults, long waits, large amounts
	@$(BIN)/python -m tests.servers
	@$(TESTS) -m slow $(PYTEST)

test-all: .venv/.dev ## Run all tests
	@$(BIN)/python -m tests.servers
	@$(TESTS) $(PYTEST)

lint: .venv/.dev ## Check format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: .venv/.dev ## Check format, lint, types and import rules, and run all tests
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test-all

format: .venv/.dev ## Format the code and apply ruff's automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

asyncapi: .venv/.dev ## Generate docs/asyncapi.yaml and docs/asyncapi.md from the code
	$(BIN)/python -m tools.asyncapi

metrics: .venv/.dev ## Generate docs/metrics.md from the code
	$(BIN)/python -m tools.metrics

dashboard: .venv/.dev ## Generate deploy/grafana/certline.json, Grafana's dashboard
	$(BIN)/python -m tools.dashboard

faults: .venv/.dev ## Run the fault tests in their long form: make faults SEEDS=100; repeat one: SEED=17
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100)) $(FAULTS)

cluster-faults: .venv/.dev ## Run the tests of clusters, failovers, hosts and restores in their long form: make cluster-faults SEEDS=3; repeat one: SEED=17
	@$(BIN)/python -m tests.servers
	@CERTLINE_TEST_FAULTS=all CERTLINE_TEST_FAILOVER_ORDERS=200 CERTLINE_TEST_SEEDS="$(or $(SEED),$(shell seq -s ' ' $(or $(SEEDS),1)))" \
	  $(BIN)/python -m pytest -rP --timeout 1800 $(CLUSTERS) $(FAULTS)

drill: .venv/.dev ## Back up, lose and restore a line of its own, and print RPO and RTO: make drill CERTIFICATES=10000 BACKUP=dump
	@$(BIN)/python -m tests.drill --certificates $(or $(CERTIFICATES),100) $(if $(LATER),--later $(LATER)) \
	  --backup $(or $(BACKUP),moment) --settle $(or $(SETTLE),10) --rate $(or $(RATE),10)

bench: .venv/.dev ## Run the benchmarks in at most 20 minutes, and write docs/performance.md
	$(BIN)/python -m benchmarks

# The plugin, or the older program of its own, which cannot wait until the containers are healthy.
up: ## Start certline in containers (compose); makes its passwords on the first run, and returns when it is ready
	@deploy/passwords.sh
	@if docker compose version >/dev/null 2>&1; then docker compose up --build --detach --wait; \
	elif docker-compose version >/dev/null 2>&1; then docker-compose up --build --detach && \
	  echo "Started. Ready once every part is healthy: docker-compose ps"; \
	else echo "Neither 'docker compose' nor 'docker-compose' is installed. On Debian: apt-get install -y docker-compose"; \
	  exit 1; fi

down: ## Stop the containers; the data remains
	@if docker compose version >/dev/null 2>&1; then docker compose down; else docker-compose down; fi

lock: .venv/.dev ## Update the lock files (hashes, no URLs)
	for extra in line: tracing:--extra=tracing demo:--extra=embedded dev:--extra=dev; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-emit-index-url --no-emit-find-links --no-header --no-emit-package certline \
	    pyproject.toml requirements/build.in $${extra#*:} -o requirements/$${extra%%:*}.txt || exit 1; \
	done
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-header requirements/audit.in -o requirements/audit.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-header benchmarks/celery_stand_in/requirements.in \
	  -o benchmarks/celery_stand_in/requirements.txt

audit: $(AUDIT)/.made ## Look the locked packages up in the public list of vulnerabilities; needs a network
	@$(PYTHON) -m tools.supply_chain audit --tools $(AUDIT)/bin

sbom: $(AUDIT)/.made ## Write the list of what certline is made of (SBOM, CycloneDX): dist/certline.cdx.json
	@$(PYTHON) -m tools.supply_chain sbom --tools $(AUDIT)/bin

clean: ## Remove the virtual environment and caches
	rm -rf .venv $(AUDIT) .venv-celery .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "certline needs Python 3.11 or newer; none was found on PATH."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "Python's venv module is incomplete here. On Debian: apt-get install -y python3-venv"; exit 1; }

# Without a network nothing is installed, which the two targets say; CI goes on.
$(AUDIT)/.made: requirements/audit.txt
	@test -n "$(PYTHON)" || { echo "certline needs Python 3.11 or newer; none was found on PATH."; exit 1; }
	@$(PYTHON) -m venv $(AUDIT) && $(AUDIT)/bin/python -m pip --disable-pip-version-check --quiet install \
	  --require-hashes -r requirements/audit.txt && touch $@ || echo "The tools of requirements/audit.txt could not be installed."

.venv/.demo: requirements/demo.txt pyproject.toml | .venv/bin/python
	@echo "Installing certline into .venv ..."
	@$(PIP) install --require-hashes -r requirements/demo.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(COMPILE)
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml | .venv/bin/python
	@echo "Installing certline and its tools into .venv ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(COMPILE)
	@touch $@ .venv/.demo
