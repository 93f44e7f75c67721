# `make run` and `make test` need Python >= 3.11 and nothing else: the first call installs, later calls start at once.
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
INSTR ?= go to the red ball

.DEFAULT_GOAL := help
.PHONY: help install run test format clean

help:  ## Show what can be typed.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | awk -F '\t' '{printf "  make %-9s %s\n", $$1, $$2}'

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); Python 3.11 or newer is needed. Type: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "Installing into $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: $(INSTALLED)  ## Make the virtual environment and install everything into it.

run: $(INSTALLED)  ## Train an agent that follows "go to the red ball", evaluate it, film it.
	@$(VENV)/bin/python experiments/babyai_ppo.py --instr "$(INSTR)"

test: $(INSTALLED)  ## Lint, type-check and test.
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python -m pytest

format: $(INSTALLED)  ## Put the code into the project's format.
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

clean:  ## Remove the virtual environment and caches (runs/ stays).
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
