# What people type. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

TIER ?= smoke
NB ?=
JOBS ?= 2
PORT ?= 8000
PYTHON ?=
HUB_TIER = $(if $(filter colab,$(TIER)),colab,paper)

VENV := .venv
STAMP := $(VENV)/.saebook-stamp
PY := $(VENV)/bin/python
# One thread a process, two processes side by side: numbers do not depend on how many jobs run.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
BIN := env PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(ONE_THREAD)

SNAKEMAKE = $(BIN) python -m snakemake --cores $(JOBS) --nolock --rerun-incomplete --rerun-triggers mtime --keep-going

.PHONY: help setup book test test-slow chapter full paper rehearse serve lint bench models clean-cache new-paper

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## make .venv from requirements.lock (every command does it when needed)

$(STAMP): requirements.lock pyproject.toml tools/setup.sh
	@PYTHON="$(PYTHON)" tools/setup.sh "$(VENV)" "$(STAMP)"

book: $(STAMP) ## run every chapter at the testbed tier and build the book
	@$(BIN) python -m saebook.run fresh || { $(SNAKEMAKE) chapters --quiet all && $(BIN) python -m saebook.run fresh; }
	@$(BIN) python -m saebook.book build

test: $(STAMP) ## run the tests
	@$(BIN) python -m pytest -n 2

test-slow: $(STAMP) ## run the long tests
	@$(BIN) python -m pytest -n 2 -m slow --timeout 3600

chapter: $(STAMP) ## run one notebook: make chapter NB=mayne2024 TIER=smoke
	@[ -n "$(NB)" ] || { $(BIN) python -m saebook.run list --tier $(TIER); echo "name one: make chapter NB=<slug>"; exit 2; }
	@$(BIN) python -m saebook.run chapter --nb "$(NB)" --tier "$(TIER)"

full: $(STAMP) ## run the full tier of one notebook (hours): make full NB=mayne2024
	@[ -n "$(NB)" ] || { echo "name one: make full NB=<slug>"; exit 2; }
	@$(BIN) python -m saebook.run chapter --nb "$(NB)" --tier full

paper: $(STAMP) ## one notebook on the published models: make paper NB=mayne2024 (TIER=colab)
	@[ -n "$(NB)" ] || { echo "name one: make paper NB=<slug>"; exit 2; }
	@$(BIN) python -m saebook.hub pin "$(NB)" --tier $(HUB_TIER)
	@$(BIN) python -m saebook.run chapter --nb "$(NB)" --tier $(HUB_TIER) $(if $(P),-p $(P))

rehearse: $(STAMP) ## the same on stand-ins, without a network: make rehearse NB=mayne2024
	@[ -n "$(NB)" ] || { echo "name one: make rehearse NB=<slug>"; exit 2; }
	@$(BIN) python -m saebook.hub chapter "$(NB)" --tier $(HUB_TIER)

serve: $(STAMP) ## show the built book at http://localhost:8000 (PORT=...)
	@$(BIN) python -m saebook.book serve --port $(PORT)

lint: $(STAMP) ## style, types, floors of the library, notebook anatomy, spelling
	@$(BIN) ruff check .
	@$(BIN) ruff format --check .
	@$(BIN) pyright
	@$(BIN) lint-imports
	@$(BIN) python -m pytest -q tests/test_notebooks.py
	@$(BIN) python -m saebook.book readme --check
	@$(BIN) codespell

bench: $(STAMP) ## measure speed
	@$(BIN) python bench/run.py

models: $(STAMP) ## train the house models again (hours)
	@$(BIN) python -m saebook.testbed.train

clean-cache: $(STAMP) ## say how large the user's cache is, and empty it
	@$(BIN) python -c 'from saebook import cache, paths; \
		print(f"{paths.user_cache_dir()}: {cache.size() / 2**20:.1f} MiB"); \
		print(f"{cache.clear() / 2**20:.1f} MiB freed")'

new-paper: $(STAMP) ## lay out a new chapter: make new-paper SLUG=gao2024
	@[ -n "$(SLUG)" ] || { echo "name it by author and year: make new-paper SLUG=gao2024"; exit 2; }
	@$(BIN) python -m saebook.run new-paper --slug "$(SLUG)"
