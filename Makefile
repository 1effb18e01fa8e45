# Two commands matter: `make demo` and `make test`. Each does all of its own set-up.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := demo
PATIENTS ?= 36
SEED ?= 7

.PHONY: help setup demo test s3 lint airflow bench lock clean

help: ## Show what can be made
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(READY) ## Install everything into .venv (the other targets do it too)

$(READY): setup.cfg pyproject.toml constraints.txt tools/setup.sh
	@PYTHON=$(PYTHON) bash tools/setup.sh $(VENV)
	@touch $@

demo: $(READY) ## From a synthetic hospital to a signed release, below demo/
	@$(BIN)/hemalake demo $(DEMO) --patients $(PATIENTS) --seed $(SEED)

test: $(READY) $(VENV)/.programs $(VENV)/s3/client $(VENV)/s3/server $(VENV)/jars/classes.jsa ## Run all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

$(VENV)/.programs: tools/programs.sh | $(READY)
	@bash tools/programs.sh && touch $@

$(VENV)/jars/classes.jsa: tools/archive_classes.py $(READY)
	@echo "Archiving Spark's classes (once; half a minute) …"
	@$(BIN)/python -m tools.archive_classes

$(VENV)/s3/%: tools/s3.xml | $(READY)
	@bash tools/s3.sh $(VENV) $*
	@touch $@

s3: $(READY) $(VENV)/s3/client ## Fetch what a lake on S3 needs

lint: $(READY) ## ruff, mypy, import-linter
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

airflow: $(READY) $(VENV)/jars/classes.jsa ## Start Airflow on the demo's lake and say what to click
	@$(BIN)/hemalake airflow $(DEMO)

bench: $(READY) ## Run the benchmarks
	@for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

lock: ## Renew constraints.txt from setup.cfg
	@PYTHON=$(PYTHON) bash tools/lock.sh

clean: ## Remove what the demo left
	@rm -rf $(DEMO)
