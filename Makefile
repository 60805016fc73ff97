# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer and nothing else.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A Linux machine without a GPU may save a few gigabytes by naming PyTorch's CPU wheel index here:
# make demo TORCH_ARGS="--index-url <PyTorch's CPU index>"
TORCH_ARGS ?=
# Files and tests run on all cores; PYTEST_ARGS adds to the tests' command line.
PYTEST_ARGS ?= -n auto

.PHONY: demo peers test test-typed test-slow torture check format docs golden bench clean help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(VENV)/.done: pyproject.toml constraints.txt
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check $(TORCH_ARGS) -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

$(VENV)/.peers: $(VENV)/.done
	$(BIN)/python -m pip install -q --disable-pip-version-check $(TORCH_ARGS) -c constraints.txt -e ".[dev,peers]"
	# Without what it depends on, torchvision above all: only its schedulers are looked at.
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -c constraints.txt timm
	@touch $@

peers: $(VENV)/.peers ## the libraries that schedules are compared with, for the tests (0.6 GB)

demo: $(VENV)/.done ## train 4 schedules x 5 seeds on real data, and summarize them
	$(BIN)/lrbench sweep schedule=constant,linear,cosine,sgdr train.epochs=15 --seeds 5 --results demo
	$(BIN)/lrbench summarize demo

test: $(VENV)/.done ## the tests, a few minutes
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not slow and not typed"

test-typed: $(VENV)/.done ## the commands as typed, many in processes of their own: some minutes more
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "typed and not slow"

test-slow: $(VENV)/.done ## the tests that take longer
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m slow

torture: $(VENV)/.done ## kill 200 runs, go on with each, and compare bytes (KILLS=…)
	$(BIN)/python scripts/torture.py $(KILLS)

check: $(VENV)/.done ## what CI runs: format, lint, types, tests, documented commands
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test
	$(MAKE) test-typed
	$(BIN)/python scripts/check_docs.py

format: $(VENV)/.done ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.done ## docs/schedules.md and its pictures from the docstrings, docs/errors.md from its table
	$(BIN)/python scripts/schedules_page.py
	$(BIN)/python scripts/errors_page.py

golden: $(VENV)/.done ## the digests of tests/golden, and what a change of them means
	$(BIN)/python scripts/golden.py

bench: $(VENV)/.done ## the figures of docs/performance.md, measured here
	$(BIN)/python scripts/bench_loop.py
	$(BIN)/python scripts/bench_sweep.py
	$(BIN)/python scripts/bench_profiles.py
	$(BIN)/python scripts/bench_summarize.py
	$(BIN)/python scripts/bench_promises.py
	$(BIN)/python scripts/bench_lanes.py
	$(BIN)/python scripts/bench_person.py
	$(BIN)/python scripts/bench_report.py
	$(BIN)/python scripts/bench_history.py

clean: ## remove the virtual environment and caches, never results
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
