# Two commands are all a newcomer needs:
#   make quickstart     screen Al-Ni with real DFT, from nothing to a hull     (make quickstart DFT=emt: Cu-Pt in two minutes)
#   make test           run the tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
DFT := gpaw
override DFT := $(if $(findstring emt,$(DFT) $(ARGS)),emt,gpaw)

MAKEFLAGS += --jobs=2 # GPAW and the kernels are compiled side by side

.PHONY: quickstart test benchmark faults docs notebook lint
quickstart: NEEDS := $(filter gpaw,$(DFT))
quickstart: $(VENV)/.installed $(VENV)/.kernels $(if $(filter gpaw,$(DFT)),$(VENV)/.gpaw)
	@$(BIN)/aiida-mtp quickstart --dft $(DFT) $(ARGS)

test: $(VENV)/.tools
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# Tables of speed and accuracy, into docs/benchmarks; needs the data of others, see benchmarks/
benchmark: $(VENV)/.tools
	$(BIN)/python benchmarks/speed.py $(ARGS)

# What happens to a screen when things go wrong, into docs/benchmarks; as root, about an hour
faults: $(VENV)/.tools
	@trap '.ci/cluster.sh down' EXIT; \
	    AIIDA_MTP_TEST_CLUSTER=$$(.ci/cluster.sh up) $(BIN)/python benchmarks/faults.py $(ARGS)

# The pages, into docs/_build/html; the examples are run
docs: $(VENV)/.tools
	@$(PIP) --group docs
	PATH='$(abspath $(BIN))':"$$PATH" $(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

# The finished screen as a notebook with what its cells print, as the pages show it
notebook: docs
	cp docs/_build/jupyter_execute/examples/03_a_finished_screen.ipynb examples/

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

$(VENV)/.kernels: $(VENV)/.installed
	@echo "compiling the kernels (about a minute)"
	@install/kernels.sh $(BIN)
	@touch $@

# pip would reuse a GPAW it has built with other libraries, hence no cache
GPAW := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["gpaw"])
$(VENV)/.gpaw: $(VENV)/.installed install/gpaw_siteconfig.py
	@PYTHON='$(PYTHON)' install/system.sh gpaw
	@echo "compiling GPAW (about a minute)"
	@GPAW_CONFIG='$(CURDIR)/install/gpaw_siteconfig.py' $(PIP) --no-cache-dir $$($(BIN)/python -c '$(GPAW)')
	@touch $@

$(VENV)/.tools: $(VENV)/.installed
	@$(PIP) --group dev
	@touch $@
