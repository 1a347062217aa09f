PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000

.PHONY: help serve venv test check format lock bench pages clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# Two stamps: what serving needs, and what developing needs on top of it.
$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

venv: $(VENV)/.installed ## make .venv with the pinned versions of the lock file

serve: venv ## serve at http://127.0.0.1:8000 (HOST=, PORT=, CELLWISE_HOME= change that)
	$(BIN)/cellwise serve --host $(HOST) --port $(PORT)

test: $(VENV)/.installed-dev ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.installed-dev ## what CI runs: format, lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile

format: $(VENV)/.installed-dev ## format and sort imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## pin every version anew from pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-annotate --no-emit-options --extra server -o requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-annotate --no-emit-options --extra server --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-annotate --no-emit-options --extra server --extra dev --extra bench -c requirements-dev.lock -o requirements-bench.lock pyproject.toml
	# Without the local version of whatever build was at hand: each machine takes its own.
	sed -i 's/^\(torch==[0-9.]*\)+.*/\1/' requirements*.lock

bench: $(VENV)/.installed-dev ## measure against Datasette and the official readers; writes docs/benchmarks.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.lock
	$(BIN)/python -m benchmarks

pages: $(VENV)/.installed-dev ## put what programs say now into README, docs and notebook
	$(BIN)/python -m tests.pages

clean: ## remove the virtual environment and caches (never CELLWISE_HOME)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
