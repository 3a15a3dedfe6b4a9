# Sets itself up on a machine with Python 3.11, make and git; see README.md. Stamps keep every step from running twice.

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
BIN := .venv/bin
STAMPS := .stamps
PYTEST_WORKERS ?= 2
PYTEST_FLAGS ?=
# `make test SLOW=1` runs the slow tests in the same pytest run, so that one closing line counts everything.
PYTEST_MARKS := $(if $(SLOW),-m "slow or not slow",)
DEMO_FLAGS ?=
SERVE_FLAGS ?=
BENCH_FLAGS ?=

# uv does not read pip's settings: where pip was told another index, hand it on.
PIP_INDEX := $(shell $(PYTHON) -m pip config get global.index-url 2>/dev/null)
ifneq ($(PIP_INDEX),)
export UV_DEFAULT_INDEX ?= $(PIP_INDEX)
endif
# Two pytest workers share two cores: a BLAS with threads of its own only gets in their way.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export PIP_ROOT_USER_ACTION ?= ignore
export UV_PYTHON_DOWNLOADS ?= never

.DEFAULT_GOAL := setup
.PHONY: help setup run demo test test-slow chaos lint types format bench lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMPS)/project ## install everything into .venv

$(STAMPS)/uv-$(UV_VERSION):
	$(PYTHON) -m pip install --quiet --upgrade --target .tools uv==$(UV_VERSION)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/venv: $(STAMPS)/uv-$(UV_VERSION)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@touch $@

# Compiled once here: uv leaves it to the first import, and where Python may not write (PYTHONDONTWRITEBYTECODE) every
# process would compile numpy and scipy anew, 1.5 s each.
$(STAMPS)/lock: requirements.lock $(STAMPS)/venv
	$(UV) pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock
	@touch $@

$(STAMPS)/project: pyproject.toml $(STAMPS)/lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

run: setup ## serve the page on 127.0.0.1:8000 and plan the national example on it
	TIDEPLAN_LOG_LEVEL=$${TIDEPLAN_LOG_LEVEL:-warning} exec $(BIN)/tideplan serve --example national $(SERVE_FLAGS)

demo: setup ## plan the national example and say where the report lies
	$(BIN)/tideplan demo $(DEMO_FLAGS)

test: lint types ## every check; SLOW=1 runs the slow tests, too
	$(BIN)/pytest -n $(PYTEST_WORKERS) $(PYTEST_MARKS) $(PYTEST_FLAGS)

test-slow: setup ## only the slow tests
	$(BIN)/pytest -n $(PYTEST_WORKERS) -m slow $(PYTEST_FLAGS)

chaos: setup ## 1,000 random kills of server, solver and database under load, on each database
	TIDEPLAN_CHAOS_KILLS=1000 $(BIN)/pytest -m slow tests/reliability/test_chaos.py $(PYTEST_FLAGS)

lint: setup ## ruff and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup ## mypy, strict
	$(BIN)/mypy

format: setup ## lay the code out
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## the benchmarks, small sizes (BENCH_FLAGS for engine.py); the search beside its record
	$(BIN)/python benchmarks/record.py
	$(BIN)/python benchmarks/engine.py $(or $(BENCH_FLAGS),--sizes S --seeds 1 --limit 60)
	$(BIN)/python benchmarks/forecast.py --windows 1 --sets ms_purchase_counts,vic_electricity
	$(BIN)/python benchmarks/service.py

lock: $(STAMPS)/venv ## pin every dependency with its hashes; writes no address
	$(UV) pip compile --quiet --universal --generate-hashes --no-annotate --no-header --all-extras --group dev \
		--python $(BIN)/python pyproject.toml --output-file requirements.lock

clean: ## remove what the set-up made
	rm -rf .venv .tools $(STAMPS) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
