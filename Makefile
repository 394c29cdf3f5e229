# Everything a person does here. `make demo`, `make test` and `make test-all` need only Python 3.11+, git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
SEED   ?= 1
# Each worker has servers of its own; tests of one file stay together, in the order of tests/conftest.py, which says how many
# workers; more than four gain nothing. What is promised within a time has the machine to itself, after the others (exit code 5:
# ARGS names none of those).
XDIST  := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# What `make test` runs, within minutes: all that is pure, the contract as strangers meet it, and what is killed at the worst moment.
# ARGS that name other tests have those run instead.
TESTS  := tests/unit tests/properties tests/contracts tests/architecture tests/blackbox tests/scenarios/test_crashes.py tests/scenarios/test_ingest_crashes.py
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo install dev test test-all test-stack test-unsteady check documents dashboards fmt lock audit bench soak bench-liveness bench-outages clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: install  ## the whole service with a simulated fleet, on embedded servers (ARGS="--for 20s" ends by itself)
	@$(BIN)/telecare up --embedded --demo $(ARGS)

install: $(VENV)/.installed  ## .venv with .venv/bin/telecare, from the hashed lock

dev: $(VENV)/.dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "telecare needs Python 3.11 or newer: install it, or say which with 'make PYTHON=/path/to/python3.11 …'"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python's venv is missing: install it (Debian, Ubuntu: 'sudo apt-get install python3-venv') and run make again"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing the locked dependencies into $(VENV) (once)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.lock \
	  || { echo "no wheel fits this machine, or the package index is out of reach: Linux (glibc; x86-64, arm64) and macOS (arm64) with CPython 3.11+ are known to work; see the line above"; exit 1; }
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.installed
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@

define PYTEST
@$(BIN)/python -m pytest $(XDIST) -m "not alone" $(1)
@$(BIN)/python -m pytest -m alone $(1) || [ $$? -eq 5 ]
endef

test: dev  ## the tests of some minutes, on the embedded broker and database
	$(call PYTEST,$(if $(filter tests/%,$(ARGS)),,$(TESTS)) $(ARGS))

test-all: dev  ## every suite, on the embedded broker and database: half an hour on two cores
	$(call PYTEST,$(ARGS))

test-stack: export TELECARE_TEST_STACK := real
test-stack: dev  ## all of them on real Mosquitto, TimescaleDB and Prometheus (Debian; installs them under var/)
	@deploy/stack/install
	$(call PYTEST,$(ARGS))

test-unsteady: dev  ## the tests with some of the service's statements slow (SEED=7): what passes only by luck fails; some of what it finds are promises of time
	@UNSTEADY_SEED=$(SEED) PYTHONPATH=$(CURDIR)/tests/support/unsteady $(BIN)/python -m pytest $(XDIST) -m "not alone" $(ARGS)

check: dev  ## ruff, mypy --strict, import-linter, generated documents current, no conflict markers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m contracts.documents --check
	@$(BIN)/python -m deploy.grafana.source --check
	@! git grep -nE '^(<<<<<<<|>>>>>>>) ' || { echo "conflict markers were left in the lines above"; exit 1; }

documents: dev  ## generate the JSON Schemas and the AsyncAPI document
	@$(BIN)/python -m contracts.documents

dashboards: dev  ## generate Grafana's dashboards from deploy/grafana/source
	@$(BIN)/python -m deploy.grafana.source

fmt: dev
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lock:  ## renew the hashed locks (needs uv)
	uv pip compile pyproject.toml --group pyproject.toml:build --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 -o requirements.lock
	uv pip compile --group pyproject.toml:build --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 -c requirements.lock -o requirements-build.lock
	uv pip compile pyproject.toml --group pyproject.toml:dev --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 -c requirements.lock -o requirements-dev.lock
	uv pip compile --group pyproject.toml:audit --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 -o requirements-audit.lock

audit: $(VENV)/audit/.installed  ## known vulnerabilities of all that is locked (asks the package index's advisories; no part of CI)
	@deploy/audit $(VENV)/audit/bin/pip-audit requirements.lock requirements-build.lock requirements-dev.lock -- $(ARGS)

$(VENV)/audit/.installed: requirements-audit.lock | $(VENV)/bin/python
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: -r requirements-audit.lock
	@touch $@

bench: dev  ## measured figures, as ratios against a bare reference run in the same minute (real stack)
	@deploy/stack/install
	@$(BIN)/python -m tests.bench $(ARGS)

soak: dev  ## 30 minutes of 5,000 boxes on connections of their own with a fault every 20 s, on the real stack, as root; nothing may be lost (ARGS="--quick", "--for 2m --boxes 500 --seed 7")
	@deploy/stack/install
	@$(BIN)/python -m tests.soak $(ARGS)

bench-liveness: dev  ## a simulated month of 5,000 devices: our rule of silence against a plain time-out, on the same trace
	@$(BIN)/python -m tests.bench.liveness $(ARGS)

bench-outages: dev  ## half of a million devices fall silent at once, and return: how long alerts takes (real stack)
	@deploy/stack/install
	@TELECARE_TEST_STACK=real $(BIN)/python -m tests.bench.outages $(ARGS)

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .hypothesis
