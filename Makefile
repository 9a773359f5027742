# make run    set up if need be, then open the web app on 127.0.0.1:8501
# make test   set up if need be, then run the whole suite
# make lint   ruff and mypy --strict
# make setup  install only          make clean  take the installation away
# make exact  install only, with test tools: every file must have the hash that requirements.lock has for it
#             (TORCH=cpu: the CPU build of torch)
# make audit  compare requirements.lock with the known vulnerabilities (.ci/audit.py)
# make lock   write requirements.lock anew, after a change of pyproject.toml or constraints.txt
#
# PYTHON=python3.12 make run   chooses the Python; it must be 3.11 or newer.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip

# A stamp is newer than what it was made from, so a second `make run` calls no pip and needs no network.
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev

.PHONY: run test lint setup exact audit lock clean
.DEFAULT_GOAL := run

run: $(RUNTIME)
	@$(VENV)/bin/pagewise run

test: $(DEV)
	$(VENV)/bin/python -m pytest -n auto --dist loadfile $(PYTEST)

lint: $(DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

setup: $(RUNTIME)

# Only wheels: to build one from source, pip would fetch build tools without looking at hashes. `pip check` shows that
# the locks, installed without looking for dependencies, leave none out. TORCH=cpu asks for torch's CPU build by name,
# because pip prefers a file whose index tells its hash.
HASHED := install --quiet --no-deps --only-binary :all: --require-hashes
CPU_TORCH := /^torch==/,/[^\\]$$/{s/^torch==[^ ]*/&+cpu/;p;}
NEEDS_CUDA := from importlib.metadata import requires; print(*[r for r in requires("torch") if r.startswith("nvidia-")])
exact: | $(VENV)/bin/python
ifeq ($(TORCH),cpu)
	@sed -n '$(CPU_TORCH)' requirements.lock > $(VENV)/torch-cpu.lock
	$(PIP) $(HASHED) -r $(VENV)/torch-cpu.lock
endif
	$(PIP) $(HASHED) -r requirements.lock
	@if [ -n "$$($(VENV)/bin/python -c '$(NEEDS_CUDA)')" ]; then set -x; $(PIP) $(HASHED) -r requirements-cuda.lock; fi
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	$(PIP) check
	@touch $(RUNTIME) $(DEV)

audit: | $(VENV)/bin/python
	$(VENV)/bin/python .ci/audit.py

lock: | $(VENV)/bin/python
	$(PIP) install --quiet uv==0.13.9
	PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/bin/python .ci/lock.py

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
	    echo "Pagewise needs Python 3.11 or newer, and there is no '$(PYTHON)'. Install it, or say which: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Pagewise needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Say which to use: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	    rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(RUNTIME): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Pagewise into $(VENV) (once; some minutes)"
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Pagewise and its test tools into $(VENV) (once; some minutes)"
	$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $(RUNTIME) $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
