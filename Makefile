# Every target sets up what it needs; only Python 3.11+, make and git must be there.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Tests side by side, each batch with servers of its own: most of their time is waiting.
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types asyncapi faults lock bench up down clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.demo ## The main job from nothing: servers, simulator, a whole lifecycle, what to type next
	@$(BIN)/certline demo

test: .venv/.dev ## The tests, against real servers (found, started, or named if missing)
	@$(BIN)/python -m tests.servers
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST)

check: .venv/.dev ## What CI runs: format, lint, types, import rules, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

format: .venv/.dev ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

asyncapi: .venv/.dev ## Write docs/asyncapi.yaml and its page anew, from the code
	$(BIN)/python -m tools.asyncapi

faults: .venv/.dev ## Everything killed, in the long form: make faults SEEDS=100, or one again: make faults SEED=17
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100)) $(FAULTS)

bench: .venv/.dev ## Benchmarks: ratios measured in one run
	$(BIN)/python -m benchmarks

up: ## The line in containers (compose), ready when this returns
	docker compose up --build --detach --wait

down: ## Stop the containers; the data stays
	docker compose down

lock: .venv/.dev ## Write the lock files anew (hashes, no addresses)
	for extra in line: demo:--extra=embedded dev:--extra=dev; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-emit-index-url --no-emit-find-links --no-header --no-emit-package certline \
	    pyproject.toml requirements/build.in $${extra#*:} -o requirements/$${extra%%:*}.txt || exit 1; \
	done

clean: ## Remove the environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "certline needs Python 3.11 or newer; none was found on PATH."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "Python's venv module is incomplete here. On Debian: apt-get install -y python3-venv"; exit 1; }

.venv/.demo: requirements/demo.txt pyproject.toml | .venv/bin/python
	@echo "Installing certline into .venv ..."
	@$(PIP) install --require-hashes -r requirements/demo.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml | .venv/bin/python
	@echo "Installing certline and its tools into .venv ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ .venv/.demo
