PYTHON ?= python3
SWEEP ?=
JOBS ?= -1
ARGS ?=
PORT ?= 5000
KILLS ?= 60

venv := .venv/bin/python
resolve := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml
pip := $(venv) -m pip install --quiet --disable-pip-version-check
# A sweep's name may have blanks in it: make hands the variable on to the shell, which quotes it.
named := $(if $(SWEEP),"$$SWEEP")
# The main job, or the sweep of sweeps/ that SWEEP names.
job := $(if $(SWEEP),sweeps=$(named),model.channels=1,30 model.dropout=true,false)

.DEFAULT_GOAL := help
.PHONY: help install install-dev sweep smoke report notebook test test-long test-slurm test-ray test-server test-card chaos bench lint format ui server sync docs lock wheel all

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile
	@echo "  SWEEP=name of sweeps/   JOBS=worker processes   KILLS=of make chaos   ARGS=more overrides   PORT=of the UI or the server   PYTHON=3.11 or newer"

install: .venv/installed ## make .venv with what running needs (the other targets do it when needed)

install-dev: .venv/installed-dev ## add what tests, lint, docs and the notebook need

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.11')"
	@echo "making .venv: about 1.1 GB, some minutes the first time"
	$(PYTHON) -m venv .venv
	$(pip) --require-hashes -r requirements.lock
	$(pip) --no-deps --no-build-isolation --editable .
	touch .venv/installed

.venv/installed-dev: .venv/installed requirements-dev.lock
	@echo "adding the developers' tools to .venv: about 0.8 GB more"
	$(pip) --require-hashes -r requirements-dev.lock
	touch .venv/installed-dev

sweep: install ## train the main job (or SWEEP=name), print the table of its cells and what its claims earned
	$(venv) -m runner -m $(job) runner.workers=$(JOBS) $(ARGS)
	$(venv) -m analysis

smoke: install ## a sweep of seconds on embedded data
	$(venv) -m runner -m sweeps=smoke $(ARGS)

report: install ## what the latest sweep (or SWEEP=name) answers to its claims, and a page under reports/ (ARGS=--details)
	$(venv) -m analysis $(named) $(ARGS)

notebook: install-dev ## run analysis/report.ipynb on the latest sweep (or SWEEP=name), into reports/notebook.ipynb
	mkdir -p reports
	SWEEP=$(named) .venv/bin/jupyter-execute --output="$(CURDIR)/reports/notebook" analysis/report.ipynb

ui: install ## browse the curves in MLflow, on this machine's loopback address
	$(venv) -m runner.ui --port $(PORT)

server: install ## MLflow's server on a PostgreSQL of its own below the root, for many sweeps at once; Ctrl-C ends both
	$(venv) -m runner.server --port $(PORT) $(ARGS)

sync: install ## bring MLflow in step with state/
	$(venv) -m runner.sync

test: install-dev ## every test but the long ones, two files at a time (one where a GPU is, whose memory some tests count)
	$(venv) -m pytest -n $(if $(shell command -v nvidia-smi),0,2) --dist loadfile $(ARGS)

test-long: install-dev ## what takes its time: hanging runs, full disks, locked stores, a server that fails, jobs of submitit
	$(venv) -m pytest -m "long and not server" -n 2 --dist loadfile $(ARGS)

test-server: install-dev ## the tracker on MLflow's server with PostgreSQL: 8 sweeps at once, both killed; needs PostgreSQL
	$(venv) -m pytest -m server $(ARGS)

test-slurm: install-dev ## sweeps on a real Slurm on this machine, whose nodes die; root has it installed, others skip it
	$(venv) -m pytest -m slurm $(ARGS) tests/slurm

test-ray: install-dev ## sweeps on a real Ray on this machine, whose nodes die; needs root and ip for a network of its own
	$(venv) -m pytest -m ray $(ARGS) tests/ray

test-card: install-dev ## the GPU engine's tests on a card that is emulated; needs g++ (with a GPU, make test runs them on it)
	@if command -v g++ >/dev/null; \
	then PYTHONPATH=$(CURDIR)/tests/support/emulated $(venv) -m pytest -m gpu -n 2 --dist loadfile $(ARGS) tests/gpu; \
	else echo "skipped: g++, which compiles the kernels for the CPU, is not installed"; fi

chaos: install-dev ## kill sweeps KILLS times and count what was lost (ARGS=--peer: a plain Hydra and MLflow script beside it)
	PYTHONPATH=tests/faults:tests/support $(venv) -m chaos --kills $(KILLS) $(ARGS)

bench: install ## time the fast engine beside DeZero, PyTorch and JAX (TORCH_PYTHON=their Python) and two bounds; DEVICE=gpu: on a card
	$(venv) -m benchmarks$(if $(filter gpu,$(DEVICE)),.card) $(ARGS)

lint: install-dev ## ruff, mypy strict, the import contracts, what is installed
	$(venv) -m ruff check
	$(venv) -m ruff format --check
	$(venv) -m mypy
	.venv/bin/lint-imports
	$(venv) -m pip check

format: install-dev ## let ruff format the code
	$(venv) -m ruff check --fix
	$(venv) -m ruff format

docs: install-dev ## build the pages as a site below site/; fails where a link leads nowhere
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true .venv/bin/mkdocs build --strict
	@echo "site/index.html (to look at it: .venv/bin/mkdocs serve)"

wheel: install-dev ## build the wheel into dist/
	$(venv) -m build --wheel --no-isolation --outdir dist

lock: ## resolve both lock files anew (needs uv); the developers' one holds the other
	$(resolve) --extra server --group build -o requirements.lock
	$(resolve) --extra server --group dev --constraint requirements.lock -o requirements-dev.lock

all: lint test smoke ## what continuous integration runs
