# Two commands: `make figures` and `make test`.  Each sets up all that it needs in .venv: Python 3.11 or newer and make.
PYTHON ?= python3
BIN    := .venv/bin
ENV    := .venv/ready

.PHONY: help venv test test-all lint types figures notebooks docs zoo bench clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

venv: $(ENV)  ## the virtual environment .venv with odeopt and its tools

$(ENV): pyproject.toml
	@echo "installing odeopt and its tools into .venv (once; a minute or two)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "odeopt needs Python 3.11 or newer: make PYTHON=python3.11")'
	@if command -v uv >/dev/null; then uv venv --quiet --allow-existing --python $(PYTHON) .venv; else $(PYTHON) -m venv .venv; fi
	@if command -v uv >/dev/null; then uv pip install --quiet --python $(BIN)/python -e '.[dev]'; else $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'; fi
	@touch $@

test: $(ENV)  ## the tests, without those marked slow
	$(BIN)/python -m pytest -q -n auto -m "not slow and not long"

test-all: $(ENV)  ## all tests, the slow ones too
	$(BIN)/python -m pytest -q -n auto

lint: $(ENV)  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(ENV)  ## mypy, on the package and on code as users write it
	$(BIN)/mypy
	$(BIN)/mypy --strict --follow-imports=silent tests/support/user_code.py

figures: $(ENV)  ## the gallery: figures/gallery/README.md
	@$(BIN)/python figures/make.py

notebooks: $(ENV)  ## build and run the notebooks: notebooks/*.ipynb
	$(BIN)/python notebooks/build.py

docs: $(ENV)  ## the documentation: docs/_build/html/index.html
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[docs,torch,jax,keras]'
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

zoo: $(ENV)  ## ZOO.md, the tables of all optimizers, against torch, Keras and optax
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[torch,jax,keras,zoo]'
	PYTHONPATH=tests $(BIN)/python tests/support/write_zoo.py

bench: $(ENV)  ## how fast, beside C, NumPy by hand and peers; ROW="one path" for the jobs whose names contain it
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fast,jax]'
	$(BIN)/python benchmarks/speed.py $(if $(ROW),"$(ROW)")
	$(BIN)/python benchmarks/ensembles.py $(if $(ROW),"$(ROW)")
	$(BIN)/python benchmarks/solve.py $(if $(ROW),"$(ROW)")
	$(BIN)/python benchmarks/in_place.py $(if $(ROW),"$(ROW)")
	$(BIN)/python benchmarks/central_flow.py $(if $(ROW),"$(ROW)")

clean:  ## remove all that make has made, but the gallery
	$(PYTHON) notebooks/made.py
	rm -rf .venv build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
