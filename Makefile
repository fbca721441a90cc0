# Each target sets up what it needs: a virtual environment in .venv, made once and reused.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/ready
# neuroHarmonize needs numpy<2, so it has an environment of its own to be compared in.
PARITY = .venv-parity
PARITY_READY = $(PARITY)/ready

.PHONY: demo demo-images test lint parity format clean help

help:
	@echo "make demo   the phantom through the whole flow: demo/report/report.html"
	@echo "make demo-images  images translated between two phantom scanners, in minutes"
	@echo "make test   formatting, lint, types and all tests"
	@echo "make parity the tests against neuroHarmonize itself, with numpy 1.26"
	@echo "make format rewrite the files in the house format"
	@echo "make clean  remove the environment and the demo"

demo: $(READY)
	$(BIN)/harmonize-kit demo -o demo

demo-images: $(READY)
	$(BIN)/harmonize-kit demo --images -o demo-images

# A file's tests stay together, since they share what they set up.
test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

parity: $(PARITY_READY)
	$(PARITY)/bin/python -m pytest tests/parity tests/combat

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# PyRadiomics is compiled on installation; a copy that was cached for another numpy does not load,
# and is then compiled anew.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 6; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	$(BIN)/python -c 'import radiomics' 2>/dev/null || $(BIN)/python -m pip install --quiet \
	  --no-cache-dir --no-binary pyradiomics-bhklab --force-reinstall --no-deps pyradiomics-bhklab==3.1.4
	$(BIN)/python -c 'import radiomics'
	@touch $@

$(PARITY_READY): pyproject.toml tests/parity/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
	  || { echo "numpy 1.26 has wheels for Python 3.11 and 3.12; say which: make PYTHON=python3.12 parity"; exit 6; }
	test -x $(PARITY)/bin/python || $(PYTHON) -m venv $(PARITY)
	$(PARITY)/bin/python -m pip install --quiet --only-binary :all: --no-binary neuroCombat --requirement tests/parity/requirements.txt
	$(PARITY)/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

clean:
	rm -rf $(VENV) $(PARITY) demo demo-images
