# Every target does its own set-up; `make run` and `make test` are all a newcomer needs.
VENV := .venv
SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))
# Each candidate is run: a version manager may have a command of that name that only fails.
PYTHON ?= $(shell for each in $(VENV)/bin/python python3.11 python3.12 python3.13 python3 \
	python3.14 python; do "$$each" -c "$(SUPPORTED)" 2>/dev/null && echo "$$each" && break; done)
INSTALL = $(or $(PYTHON),$(error no Python 3.11 to 3.13 with venv runs here; install one (Debian: \
	python3 and python3-venv) or name it: make PYTHON=...)) scripts/install.py $(VENV)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1

.PHONY: setup run test check nightly lint lock fresh bench gpu
setup: $(VENV)/.run

$(VENV)/.run: pyproject.toml constraints.txt scripts/install.py
	$(INSTALL)
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt scripts/install.py
	$(INSTALL) dev
	touch $(VENV)/.run $@

run: $(VENV)/.run
	gpt1 run

# All but what is marked nightly.
test: $(VENV)/.dev
	pytest -n 2

# A minute, for those who edit: the linters and the unit tests of the science.
check: lint
	pytest -n 2 tests/gpt1 -m "not slow and not nightly"

# Everything, with the tests at full size.
nightly: $(VENV)/.dev
	pytest -n 2 -m ""

lint: $(VENV)/.dev
	ruff check .
	ruff format --check .
	mypy
	lint-imports

# Resolve again after a change of pyproject.toml; `make lock UPGRADE=--upgrade` takes what is newest.
lock: $(VENV)/.dev
	env -u UV_DEFAULT_INDEX -u UV_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
		uv pip compile --no-config --quiet --universal --python-version 3.11 --all-extras \
		--generate-hashes --no-annotate --custom-compile-command "make lock" $(UPGRADE) \
		pyproject.toml --output-file constraints.txt

# Before a release: a clone, set up in an empty folder as a stranger's machine does it, and its demo.
fresh:
	$(or $(PYTHON),python3) scripts/fresh.py

# The short form of each benchmark; without arguments a script measures all its sizes.
bench: $(VENV)/.dev
	python benchmarks/text.py
	python benchmarks/shards.py 20
	python benchmarks/finetuning.py demo sst2
	python benchmarks/pretraining.py demo fp32
	python benchmarks/generation.py
	python benchmarks/orchestration.py noop
	python benchmarks/zero_shot.py

# One GPU, eight minutes: is it right there, and how fast? Send the last line.
gpu: $(VENV)/.dev
	python benchmarks/gpu.py
