# Everything a developer runs. It needs Python 3.11 to 3.13 and make; all else goes into .venv, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
READY := $(VENV)/.ready
# An environment of its own: Airflow loads every provider that it finds
CELERY := .venv-celery

.DEFAULT_GOAL := help
.PHONY: help demo airflow test test-fast test-matrix test-celery artefact lint format bench clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## Run the example DAG in a real Airflow against a local HubSpot, and show what happened
	@$(BIN)/python -m demo.run_demo

airflow: $(READY)  ## Airflow's web page with the example DAGs and a local HubSpot, until Ctrl-C
	@$(BIN)/python -m demo.run_airflow

test: $(READY)  ## Run every test, in two processes (PYTEST_ARGS="-k hooks -x" for some, WORKERS=4)
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) $(PYTEST_ARGS)

test-fast: $(READY)  ## Run the tests that start no Airflow, no browser and take no long: within a minute
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) -m "not airflow and not browser and not slow" $(PYTEST_ARGS)

test-matrix: $(READY)  ## The tests that touch Airflow, on every version of it and every Python found (MATRIX_ARGS="--only 3.0")
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/run_matrix.py $(MATRIX_ARGS)

test-celery: $(CELERY)/.ready  ## Tests in a distributed Airflow (needs PostgreSQL and Redis; PYTEST_ARGS as above)
	$(CELERY)/bin/python -m pytest tests/celery $(PYTEST_ARGS)

artefact: $(READY)  ## Build wheel and sdist, install the wheel from scratch, run a DAG from it; the quick start, too
	ARTEFACT_ENVIRONMENT=empty $(BIN)/python -m pytest tests/test_artefact.py tests/test_quick_start.py

lint: $(READY)  ## Ruff and mypy, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## Let ruff fix what it can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(READY)  ## Measure: rows per second, memory, import time
	@for script in benchmarks/bench_*.py; do \
	    [ -e "$$script" ] || { echo "There is no benchmark yet."; break; }; \
	    $(BIN)/python "$$script" || exit 1; \
	done

clean:  ## Remove the environment and everything generated
	rm -rf $(VENV) $(CELERY) .venv-matrix .demo .airflow .hypothesis .mypy_cache .ruff_cache .pytest_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, made once and again when what it is made of changes.
$(READY): constraints.txt pyproject.toml
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/make_environment.sh
	@touch $(READY)

$(CELERY)/.ready: constraints.txt pyproject.toml
	@PYTHON="$(PYTHON)" VENV="$(CELERY)" DEPENDENCY_GROUPS="dev celery" sh scripts/make_environment.sh
	@touch $@
