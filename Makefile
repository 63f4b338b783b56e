# All set-up goes through here: `make quickstart` runs the main job, `make test` the tests. Needs Python 3.11 or newer and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CORES := $(shell nproc 2>/dev/null || echo 2)

export OMP_WAIT_POLICY ?= passive
export TOKENIZERS_PARALLELISM ?= false

.PHONY: experiments experiments-quick named-data quickstart test install install-dev format check bench clean docs

quickstart: install
	$(BIN)/pgmel quickstart --out runs/quickstart

test: install-dev
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist worksteal

# torch first and exactly: any other order lets another package pull another build.
install: $(VENV)/installed
$(VENV)/installed: pyproject.toml constraints.txt
	$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); } || \
		{ rm -rf $(VENV); echo "make: $(PYTHON) cannot create a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PIP) torch==2.13.0
	$(PIP) --constraint constraints.txt --editable '.[offline]'
	touch $@

install-dev: $(VENV)/installed-dev
$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	touch $@

format: install-dev
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

check: install-dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

# The site, in build/site; warnings are fatal, and nothing is fetched.
docs: install-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: install-dev
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script; done

# Long, and goes on where it stopped: every matrix of experiments/ on the data sets in the folder DATA. JOBS runs work side by side.
JOBS ?= 2
named-data:
	@test -n "$(DATA)" || { echo "make: say where the data sets are: make experiments DATA=FOLDER (see docs/command-line.md, compare)" >&2; exit 2; }
experiments: named-data install
	$(PIP) --constraint constraints.txt --editable '.[offline,onnx]'
	for matrix in negatives negatives-triplet rivals policy ablations; do \
		$(BIN)/pgmel compare experiments/$$matrix.toml --data-root "$(DATA)" --out runs/experiments/$$matrix --jobs $(JOBS) || exit $$?; done

experiments-quick: install
	$(BIN)/pgmel compare experiments/quick.toml --out runs/experiments/quick --jobs $(JOBS)

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
