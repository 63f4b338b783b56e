# All set-up goes through here: `make quickstart` runs the main job, `make test` the tests. Needs Python 3.11 or newer and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CORES := $(shell nproc 2>/dev/null || echo 2)

export OMP_WAIT_POLICY ?= passive
export TOKENIZERS_PARALLELISM ?= false

.PHONY: experiments experiments-install experiments-compare experiments-defaults experiments-finetune experiments-speed experiments-quick
.PHONY: named-data quickstart test install install-dev format check bench clean docs

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

# All that need no trained bundle.
bench: install-dev
	for script in $(filter-out $(addprefix benchmarks/bench_,candidates.py explain.py rerank.py),$(wildcard benchmarks/bench_*.py)); do $(BIN)/python $$script || exit $$?; done

# Long, and goes on where it stopped: all tables of docs/experiments.md on the data sets in the folder DATA. JOBS runs work side by side.
JOBS ?= 2
EMOJI = $(BIN)/python benchmarks/seeds.py --config configs/emoji-minilm-mobilenet.toml --data "$(DATA)/emoji"
named-data:
	@test -n "$(DATA)" || { echo "make: say where the data sets are: make experiments DATA=FOLDER (see docs/command-line.md, compare)" >&2; exit 2; }
experiments: experiments-compare experiments-defaults experiments-finetune experiments-speed

experiments-install: named-data install
	$(PIP) --constraint constraints.txt --editable '.[offline,onnx]'

# Systems against each other, under equal budgets.
experiments-compare: experiments-install
	for matrix in negatives negatives-triplet rivals policy ablations; do \
		$(BIN)/pgmel compare experiments/$$matrix.toml --data-root "$(DATA)" --out runs/experiments/$$matrix --jobs $(JOBS) || exit $$?; done

# The default configurations, their second stages, and what they are worth on each other's data.
experiments-defaults: experiments-install
	for name in wikimel richpediamel wikidiverse; do \
		$(BIN)/python benchmarks/seeds.py --config configs/$$name-minilm.toml --data "$(DATA)/$$name" --out runs/seeds/$$name-minilm || exit $$?; done
	$(EMOJI) --set features.image_encoder="$(DATA)/vision" --out runs/seeds/emoji-minilm-mobilenet
	$(EMOJI) --set features.image_encoder=none --out runs/seeds/emoji-text-only
	$(EMOJI) --set features.image_encoder="$(DATA)/vision" --set features.text_encoder=none --out runs/seeds/emoji-image-only
	for one in wikimel richpediamel wikidiverse; do for other in wikimel richpediamel wikidiverse; do for seed in 0 1 2; do \
		test $$one = $$other || { echo "$$one seed $$seed on $$other"; \
		$(BIN)/pgmel evaluate --bundle runs/seeds/$$one-minilm/seed-$$seed/bundle --data "$(DATA)/$$other" --on-error skip; } || exit $$?; done; done; done

experiments-finetune: experiments-install
	$(BIN)/python benchmarks/finetune.py --data "$(DATA)/wikimel" --out runs/finetune --modes last-2,lora --seeds 0,1,2 \
		--set training.threads=1 --set negatives.num=4 --set negatives.sampler=generator

experiments-speed: experiments-defaults
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench_game.py --rules uniform,hardest,generator --repeats 3 --set training.threads=1
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench_rerank.py runs/seeds/wikimel-minilm/seed-0 runs/seeds/richpediamel-minilm/seed-0 \
		runs/seeds/emoji-minilm-mobilenet/seed-0

experiments-quick: install
	$(BIN)/pgmel compare experiments/quick.toml --out runs/experiments/quick --jobs $(JOBS)

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
