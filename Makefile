# Targets: venv demo test test-all check bench fuzz format docs clean. Nothing has to be installed by hand but python3 (3.11 or
# newer) with venv, make and git; root on Debian gets the programs that tests compare with.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
FUZZ_SECONDS ?= 60
SOURCES := src tests tools benchmarks $(wildcard fuzz)

.PHONY: help venv programs demo test test-all check format docs bench fuzz clean

help:
	@sed -n 's/^# Targets: /make /p' Makefile

venv: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml tools/make_venv.sh
	tools/make_venv.sh $(VENV)
	@touch $@

programs:
	tools/install_programs.sh

demo: venv
	$(BIN)/python tools/demo.py

test: check programs
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow"

test-all: check programs
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

check: venv
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/write_docs.py --check

format: venv
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: venv
	$(BIN)/python tools/write_docs.py

bench: venv programs
	for script in $(wildcard benchmarks/bench_*.py); do PYTHONPATH=tests:tools $(BIN)/python "$$script"; done

fuzz: venv
	for script in $(wildcard fuzz/fuzz_*.py); do PYTHONPATH=tests:tools $(BIN)/python "$$script" --seconds $(FUZZ_SECONDS); done

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
