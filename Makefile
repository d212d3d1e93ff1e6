# Two commands are all a newcomer needs:
#   make quickstart              screen Al-Ni with real DFT, from nothing to a hull   (ARGS="--dft emt": Cu-Pt in a minute)
#   make test                    run the tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DFT := $(if $(findstring emt,$(ARGS)),,gpaw)

.PHONY: quickstart test lint
quickstart: $(VENV)/.installed $(if $(DFT),$(VENV)/.gpaw)
	@$(BIN)/aiida-mtp quickstart $(ARGS)

test: $(VENV)/.tools
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.tools
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@long=$$(find aiida_mtp -name '*.py' -size +0 -exec awk 'END { if (NR > 400) print FILENAME ": " NR " lines" }' {} \;); \
	    test -z "$$long" || { echo "modules over 400 lines:"; echo "$$long"; exit 1; }

$(VENV)/.installed: pyproject.toml
	@PYTHON=$(PYTHON) install/system.sh
	@echo "installing aiida-mtp into $(VENV) (about two minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.gpaw: $(VENV)/.installed install/gpaw_siteconfig.py
	@PYTHON=$(PYTHON) install/system.sh gpaw
	@echo "compiling GPAW (about a minute)"
	@GPAW_CONFIG=$(CURDIR)/install/gpaw_siteconfig.py \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --editable '.[gpaw]'
	@touch $@

$(VENV)/.tools: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@
