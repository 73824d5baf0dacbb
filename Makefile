# Everything below needs Python >= 3.11, git and make; `make help` lists what there is.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first interpreter that is new enough; `make PYTHON=/path/to/python test` takes another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# `make setup TORCH=cpu` takes PyTorch's build for CPUs, which is a fraction of the other's size. Its version is the pinned
# one; its hash cannot be, for it is another file. Any backend that `uv pip install --torch-backend` knows will do.
TORCH ?=
CUDA := ^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==
UV = VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode
# Two test workers with one thread each: on two cores they do not fight. A file goes to one of them, with what it shares.
WORKERS ?= 2
ARGS ?=

export OMP_NUM_THREADS ?= 1
# Where this is set, torch and MONAI are compiled anew at every start: half a minute each time.
unexport PYTHONDONTWRITEBYTECODE

# What touches each dependency once: readers, networks, training, exports, a bundle from data to report, the command line.
LOWEST := tests/test_cli.py tests/test_files.py tests/data tests/masking tests/nn tests/objectives tests/weights tests/training \
	tests/recipes tests/report tests/bundles/test_image_bundles.py tests/golden

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage quick lint format types floors docs lowest bench lock clean distclean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## create .venv and install what requirements.txt pins, by hash

$(STAMP): requirements.txt .ci/uv.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "medmae needs Python >= 3.11: install it, or name it with make PYTHON=..." >&2; exit 2; }
	@test -n "$(TORCH)" || command -v nvidia-smi >/dev/null || echo "no GPU is seen here: this downloads 3.4 GB and installs" \
		"6.5 GB; stop it and run 'make setup TORCH=cpu' for the smaller build for CPUs" >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); } # half-made ones, too
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/uv.txt
ifeq ($(TORCH),)
	$(UV) --require-hashes -r requirements.txt
else
	grep -oE '^torch(vision)?==[0-9.]+' requirements.txt | $(UV) --torch-backend $(TORCH) -r -
	awk '/^[a-z]/ { keep = !/$(CUDA)/ } keep' requirements.txt > $(VENV)/requirements.txt
	$(UV) --no-deps --require-hashes -r $(VENV)/requirements.txt
endif
	$(UV) --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## pre-train Edge-MAE on the embedded cohort and print where the report is (ARGS="--data DIR")
	@env -u OMP_NUM_THREADS OMP_WAIT_POLICY=PASSIVE $(BIN)/medmae demo $(ARGS)

test: lint types floors docs ## every check and every test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

coverage: $(STAMP) ## every test, and the share of lines and branches that they reach; about twice the time
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --cov --cov-report=term $(ARGS)

quick: $(STAMP) ## the tests that take seconds
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" $(ARGS)

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## mypy over medmae and data_prep
	$(BIN)/mypy

floors: $(STAMP) ## import-linter: imports only go down
	$(BIN)/lint-imports

docs: $(STAMP) ## the documentation site, strictly, into site/ (site/index.html; the search needs a server)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

lowest: $(STAMP) ## a part of the tests with the lowest versions that pyproject.toml admits, in .venv-lowest (downloads them)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --extra dev pyproject.toml -o .venv-lowest/requirements.txt
	$(BIN)/uv pip install --quiet --python .venv-lowest -r .venv-lowest/requirements.txt
	$(BIN)/uv pip install --quiet --python .venv-lowest --no-deps --no-build-isolation --editable .
	.venv-lowest/bin/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" $(LOWEST) $(ARGS)

bench: $(STAMP) ## speed beside the peers, into docs/benchmarks.md (about 20 minutes on a quiet machine)
	$(BIN)/python benchmarks/slice_reading.py
	$(BIN)/python benchmarks/image_loading.py
	$(BIN)/python benchmarks/stains.py
	$(BIN)/python benchmarks/tiling.py
	$(BIN)/python benchmarks/steps.py
	$(BIN)/python benchmarks/peers_step.py
	$(BIN)/python benchmarks/videomae_step.py

lock: $(STAMP) ## resolve requirements.txt and .ci/uv.txt anew
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --extra dev pyproject.toml -o requirements.txt
	echo uv | UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal \
		--python-version 3.11 --generate-hashes --no-annotate - -o .ci/uv.txt

clean: ## remove caches and what runs left behind
	rm -rf build dist site htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## clean, and remove the environments
	rm -rf $(VENV) .venv-lowest
