# Two commands for a newcomer: `make demo` and `make test`. Both make their own .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check

.PHONY: demo smoke test check format qgis-test lock clean help

help:           ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.base     ## the sample survey, from rendered frames to a ranked repair list
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc repro sample-list
	@echo; cat data/surveys/sample/summary.txt
	@echo "These lie in $(CURDIR)/data/surveys/sample"

smoke: $(VENV)/.test    ## every model's chain (prepare, train, export, evaluate) on a little of everything, in a copy below .work
	@$(BIN)/python scripts/smoke.py

test: $(VENV)/.test check      ## lint, types, import contracts and every test
	$(BIN)/python -m pytest

check: $(VENV)/.test    ## what needs no test run: format, lint, types, import contracts, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(VENV)/.test   ## put the code into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

qgis-test:      ## installs QGIS and a Japanese font (Debian) where they are absent and opens our layers in it
	@command -v qgis_process.bin >/dev/null || python3 -c 'import qgis' 2>/dev/null || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qgis python3-qgis)
	@fc-list :lang=ja 2>/dev/null | grep -q . || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends fontconfig fonts-noto-cjk)
	$(MAKE) $(VENV)/.test
	$(BIN)/python -m pytest -m qgis

lock: $(VENV)/.test     ## write the pinned constraint files anew from what is installed
	$(BIN)/python scripts/lock.py

clean:          ## remove what can be made again
	rm -rf $(VENV) data/sample data/surveys data/prepared data/plots .work

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Michisora needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(BIN)/python pyproject.toml constraints/base.txt
	@echo "Installing Michisora (base, without torch) into $(VENV) …"
	@$(PIP) --constraint constraints/base.txt --editable .
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints/dev.txt
	@echo "Installing what the tests need (torch among it, about 6 GB) into $(VENV) …"
	@$(PIP) --quiet --constraint constraints/base.txt --constraint constraints/train.txt --constraint constraints/dev.txt --editable '.[train,dev]'
	@touch $@ $(VENV)/.base
