# Every target does its own set-up; `make run` and `make test` are all a newcomer needs.
PYTHON ?= python3.11
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
READY := $(VENV)/.ready

.PHONY: setup run test lint bench
setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

run: setup
	gpt1 run

test: setup
	pytest -n 2 --dist worksteal

lint: setup
	ruff check .
	ruff format --check .
	mypy
	lint-imports

# The short form of each benchmark; without arguments a script measures all its sizes.
bench: setup
	python benchmarks/text.py
	python benchmarks/shards.py 20
	python benchmarks/finetuning.py demo sst2
	python benchmarks/pretraining.py demo fp32
	python benchmarks/generation.py
	python benchmarks/orchestration.py noop
	python benchmarks/zero_shot.py
