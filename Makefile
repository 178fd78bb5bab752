# `make run` and `make test` need Python 3.11 or newer and nothing else: each makes .venv from the lock file first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
# The tests of one file, which may have nodes or counts in common, stay together; files are taken in their order, in which
# tests/conftest.py puts the long ones first. Three processes keep two cores at work: many a test waits for what it has killed.
SHARED_OUT := -n 3 --dist loadfile --no-loadscope-reorder
# THOROUGH=1 (or CI) runs what is marked `thorough` too; it reaches pytest as a variable of the environment.
# Processes start by the hundred: each should find the modules compiled.
unexport PYTHONDONTWRITEBYTECODE
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: run test check fast lock clean

run: $(VENV)/run.stamp
	$(BIN)/passcom up $(ARGS)

# The browser's tests have a run of their own: its driver keeps an event loop running that others could not start in. Browser
# and nodes keep two cores at work for one process of tests; among the thorough ones many wait, so there two take turns.
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(SHARED_OUT) $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m pytest $(if $(CI)$(THOROUGH),-n 2 --dist loadfile) tests/browser)

# What can be known in under half a minute: the rules, the tables, the first simulator.
fast: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" $(ARGS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PASSCOM needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: $(VENV)/python.stamp requirements.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.lock
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# Both lock files, with hashes for every platform; needs uv on the path.
lock:
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url -q pyproject.toml --extra postgres --extra build -o requirements.lock
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url -q pyproject.toml --all-extras -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) build *.egg-info
