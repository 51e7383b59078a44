# make run · test · check · faults · vectors · bench · bench-floor · capacity · docs · lock · clean. Each sets up .venv first; python3 (3.11 or later) and make are enough.

PYTHON  ?= python3
WORKERS ?= 2

BIN     := .venv/bin
READY   := .venv/.ready
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
EXAMPLES := $(wildcard docs/examples/*/src)

.PHONY: run test check faults vectors docs lock clean bench bench-floor capacity
.DELETE_ON_ERROR:

run: $(READY)
	@$(BIN)/aegis-server

# A file stays in one worker: its tests may share a server, and an order.
test: $(READY)
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile

# Every fault in its full form; the page is build/faults.md. AEGIS_FAULT_SEED=N throws the same dice again.
faults: $(READY)
	@AEGIS_FAULTS=full $(BIN)/pytest tests/faults --timeout 3600

# Published test vectors through our own code, file by file; 1 if one is judged wrongly.
vectors: $(READY)
	@$(BIN)/python -m tests.vectors.measure

# Stores of 10, 10,000 and 1,000,000 keys in each journal (6 GB of disk), then the floor.
bench: $(READY)
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.scale --journal postgres
	$(BIN)/python -m benchmarks.floor

bench-floor: $(READY)  # needs wrk (Debian: wrk) and two cores
	$(BIN)/python -m benchmarks.floor

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy aegis_kernel tools $(addsuffix /src,$(PLUGINS)) $(EXAMPLES)
	$(BIN)/pytest tests/architecture

# Measures anew, on this machine, what docs/operations/capacity.md computes with, and writes its tables.
capacity: $(READY)
	$(BIN)/python -m benchmarks.capacity

docs: $(READY)
	@$(BIN)/python tools/ports.py > docs/ports.md
	@$(BIN)/python -m tools.algorithms > docs/algorithms.md
	@$(BIN)/python -m tests.vectors.page > docs/vectors.md

# Renews every pin. The lock holds names, versions and hashes only; uv.lock would hold addresses and stays ignored.
lock: $(READY)
	$(BIN)/uv lock --upgrade --quiet
	$(BIN)/uv export --all-packages --all-extras --group vectors --no-emit-workspace --no-header --no-annotate --quiet \
		--output-file requirements.lock > /dev/null

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The workspace's own packages are installed without isolation: what builds them is pinned like the rest.
$(READY): pyproject.toml requirements.lock $(addsuffix /pyproject.toml,$(PLUGINS))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Aegis-KMS needs Python 3.11 or later: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
		{ echo 'This Python cannot make virtual environments: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Setting up .venv …'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --requirement requirements.lock
	@$(BIN)/python -m pip install -qq --no-build-isolation --no-deps --editable . $(addprefix --editable ./,$(PLUGINS))
	@touch $@
