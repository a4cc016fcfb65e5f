# The template's own commands. `make` lists them; README.md says what they are for.
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# the framework that `make demo` shows, and the arguments that its run gets
FRAMEWORK ?= xgboost
ARGS ?= --max-depth 3
# of `make release`
VERSION ?=
PYTHON ?= python3
override FRAMEWORK := $(value FRAMEWORK)
override ARGS := $(value ARGS)
override PYTHON := $(value PYTHON)
override VERSION := $(value VERSION)
export FRAMEWORK ARGS PYTHON VERSION

VENV := .venv/installed
STRICT := set -euo pipefail;

.PHONY: help demo test test-fast bench lint format lock release clean

help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' Makefile | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

demo: $(VENV) ## generate a project and take it through a local AWS to a model
	@bash tools/demo.sh

test: $(VENV) ## everything: bake, lint, unit, and end to end through real containers
	@$(STRICT) eval "$$(bash tools/engine.sh)"; export DOCKER BASE_IMAGE CA_BUNDLE; \
	.venv/bin/python -m pytest tests

test-fast: $(VENV) ## what needs no container engine
	@.venv/bin/python -m pytest tests -m "not docker"

bench: $(VENV) ## scripted endings judged by ours and other runners; what training, checkpoints and transfers cost
	@$(STRICT) .venv/bin/python benchmarks/peers.py; .venv/bin/python benchmarks/trainings.py; \
	.venv/bin/python benchmarks/transfers.py

lint: $(VENV) ## check style, changing nothing
	@$(STRICT) .venv/bin/ruff check .; .venv/bin/ruff format --check .; \
	.venv/bin/shellcheck tools/*.sh .ci/run '{{cookiecutter.project_slug}}'/sandbox/*.sh

format: $(VENV) ## put the code into its style
	@$(STRICT) .venv/bin/ruff check --fix-only --quiet .; .venv/bin/ruff format --quiet .

lock: $(VENV) ## lock anew: this repository, both frameworks of the generated project, the sandbox
	@bash tools/lock.sh

release: ## date the changelog, set the version, commit and tag: VERSION=1.0.0
	@bash tools/release.sh

clean: ## remove what can be made again
	@rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis; \
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV): requirements-dev.txt
	@$(STRICT) bash tools/venv.sh; touch $(VENV)
