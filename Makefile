# SO8T-AB. `make help` lists the targets.
#
# The third-party packages in requirements.lock are installed once per machine, in CACHE. A clone's .venv links to them
# with hard links, so it is complete, ready in seconds and independent of CACHE. Both are rebuilt if missing.

PYTHON ?= python3
WORKERS ?= auto
CACHE ?= $(HOME)/.cache/so8t-ab

KEY := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')-$(shell grep -sv '^ *\#' requirements.lock | sha256sum | cut -c1-12)
INSTALLED := $(CACHE)/packages-$(KEY)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready-$(KEY)
KERNELS := services/converter/so8t_converter/libkernels.so

export TOKENIZERS_PARALLELISM = false
export HF_HUB_OFFLINE = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo inputs test check unit format bench docs venv wheel lock clean clean-runs secrets images up down servers containers

help:  ## show this list
	@grep -E '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: $(READY)  ## run the whole A/B pipeline on a real small model (about 10 minutes on two cores)
	@$(BIN)/so8t-ab demo

inputs: $(READY)  ## create only the demo's model and data set, in demo-run/
	@$(BIN)/so8t-ab demo --inputs-only

test: check unit containers  ## run all checks and tests; tests that need a missing server are skipped and name it

check: $(READY)  ## check formatting, lint, types and package layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python -c "from importlinter.cli import lint_imports_command as main; main()" --no-cache

unit: $(READY)  ## run only the tests, on all cores; ARGS="-k name" selects
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal --ignore tests/compose $(ARGS)

format: $(READY)  ## format and fix the code with ruff
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: demo  ## measure every performance claim against its peer (prints ratios), after the demo
	@missed=; for script in bench/*.py; do echo "== $$script"; $(BIN)/python $$script || missed="$$missed $$script"; done; \
	[ -z "$$missed" ] || { echo "A goal was not met, or not measured:$$missed"; exit 1; }

secrets:  ## containers: create keys for MinIO and each stage in deploy/secrets/, and .env; once
	@$(PYTHON) deploy/start.py -- secrets

images:  ## containers: build the images; with SO8T_EVALUATOR=climber the one for ab_test.ladder, too
	@$(PYTHON) deploy/start.py -- images

up:  ## containers: run the full profile and wait for it; CPU=1 without an NVIDIA GPU
	@$(PYTHON) deploy/start.py -- up

down:  ## containers: stop and remove them; the bucket and the models are kept
	@$(PYTHON) deploy/start.py -- down

servers:  ## set up what the tests need, once: build MinIO and Ollama, start Docker, provide the public images
	@$(PYTHON) .ci/servers.py install all
	@$(PYTHON) .ci/docker_engine.py start
	@$(PYTHON) .ci/stand_in_images.py

containers: $(READY)  ## run only the container tests, on a real Docker engine; 'make servers' sets up what they need
	$(BIN)/python -m pytest tests/compose $(ARGS)

docs: $(READY)  ## regenerate the generated parts of docs/
	$(BIN)/python tools/generate_docs.py

venv: $(READY)  ## install everything, run nothing

wheel: $(READY)  ## build the distribution's wheel in dist/
	@rm -rf build dist  # setuptools would pack leftovers of an earlier build
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

lock:  ## renew requirements.lock after a change to pyproject.toml or constraints.txt (needs uv)
	@$(PYTHON) tools/lock.py renew

$(INSTALLED)/complete:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "SO8T-AB needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@$(PYTHON) tools/install.py $(INSTALLED)

$(KERNELS): $(wildcard services/converter/kernels/*.*)
	@SO8T_AB_CACHE=$(CACHE) $(PYTHON) services/converter/kernels/build.py $@

$(READY): $(INSTALLED)/complete pyproject.toml | $(KERNELS)
	@$(PYTHON) tools/clone_venv.py $(INSTALLED) $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:  ## remove the demo's inputs, .venv and tool caches; runs, results and installed packages are kept
	rm -rf demo-run/model demo-run/data build dist $(VENV) $(KERNELS) .pytest_cache .mypy_cache .ruff_cache .hypothesis

RUNS = $(wildcard demo-run runs results checkpoints)

clean-runs:  ## delete demo-run/, runs/, results/ and checkpoints/ with all runs in them; asks first
	@if [ -z "$(RUNS)" ]; then echo "Nothing to delete: no demo-run, runs, results or checkpoints here."; exit 0; fi; \
	du -sh $(RUNS); printf 'Delete these folders with all runs in them? Type yes: '; read answer; \
	[ "$$answer" = yes ] || { echo "Nothing was deleted."; exit 1; }; \
	rm -rf $(RUNS)
