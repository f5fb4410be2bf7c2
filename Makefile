PYTHON ?= python3
BIN := .venv/bin
QUICK := $(addprefix tests/test_, $(addsuffix .py, engine reference training derived data face))
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: train test quick lint bench clean

train: .venv/installed
	$(BIN)/netkit train examples/penguins.csv --target species --out penguins.netkit

test: lint
	$(BIN)/python -m pytest -n 2

quick: .venv/tested
	$(BIN)/python -m pytest -n 2 $(QUICK)

lint: .venv/tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

bench: .venv-bench/installed
	.venv-bench/bin/python benchmarks/scores.py
	.venv-bench/bin/python benchmarks/speed.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e .
	touch $@

.venv/tested: .venv/installed
	$(INSTALL) -e '.[test]'
	touch $@

.venv-bench/installed: pyproject.toml constraints.txt benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt -e .
	touch $@

clean:
	rm -rf .venv .venv-bench
