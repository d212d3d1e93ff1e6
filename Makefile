# Two commands are all a newcomer needs:
#   make quickstart     screen Al-Ni with real DFT, from nothing to a hull     (make quickstart DFT=emt: Cu-Pt in a minute)
#   make test           run the tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
DFT := gpaw
override DFT := $(if $(findstring emt,$(DFT) $(ARGS)),emt,gpaw)

.PHONY: quickstart test lint
quickstart: NEEDS := $(filter gpaw,$(DFT))
quickstart: $(VENV)/.installed $(if $(filter gpaw,$(DFT)),$(VENV)/.gpaw)
	@$(BIN)/aiida-mtp quickstart --dft $(DFT) $(ARGS)

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
	@PYTHON='$(PYTHON)' install/system.sh $(NEEDS)
	@echo "installing aiida-mtp into $(VENV) (about three minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade 'pip>=25.1'
	@$(PIP) --editable .
	@touch $@

# pip would reuse a GPAW it has built with other libraries, hence no cache
$(VENV)/.gpaw: $(VENV)/.installed install/gpaw_siteconfig.py
	@PYTHON='$(PYTHON)' install/system.sh gpaw
	@echo "compiling GPAW (about a minute)"
	@GPAW_CONFIG='$(CURDIR)/install/gpaw_siteconfig.py' $(PIP) --no-cache-dir --editable '.[gpaw]'
	@touch $@

$(VENV)/.tools: $(VENV)/.installed
	@$(PIP) --group dev
	@touch $@
