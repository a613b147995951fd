# The two commands of the README, and the checks of continuous integration. Each sets itself up.
PYTHON ?= python3
VENV := .venv
MNER := $(VENV)/bin/mner
export HF_HUB_OFFLINE := 1

.PHONY: quickstart test check docs

quickstart: $(VENV)/offline
	$(MNER) experiment --config quickstart

# pyproject.toml makes errors of these warnings.
test: export PYTHONWARNDEFAULTENCODING := 1
test: $(VENV)/dev
	$(VENV)/bin/pytest -n auto --dist worksteal

check: $(VENV)/dev docs
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest --doctest-modules mner -p no:cacheprovider

docs: $(VENV)/dev
	$(VENV)/bin/sphinx-build -W --keep-going -q docs docs/_build/html

$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/offline: $(VENV)/python pyproject.toml
	$(VENV)/bin/pip install -q -e ".[offline]"
	touch $@

$(VENV)/dev: $(VENV)/offline
	$(VENV)/bin/pip install -q -e '.[dev]'
	touch $@
