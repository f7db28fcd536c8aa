# Two commands for a newcomer: `make demo` and `make test`. They need make, Python 3.11 or newer, and a package registry.
#
# A third, for the page: make types writes its TypeScript types anew after a change of the server's schemas.
#
# The first run makes an environment in .venv and installs into it the versions that constraints.txt pins; stamp files
# remember that, so a second run starts at once. Other choices: make demo PYTHON=python3.12 VENV=some-folder

# The first of these that is Python 3.11 or newer; the pinned versions were tested with 3.11.
PYTHON ?= python3.11 python3.12 python3.13 python3
VENV ?= .venv
RUN := $(VENV)/bin
BUNDLE := build/organism
SHIPPED := src/gearscope/organism/bundle
DICTIONARIES = OMP_NUM_THREADS=1 $(RUN)/gearscope train --model $(BUNDLE)/model organism
# a round of training, from where it stopped: $(call round,OUT,RECIPE AND OPTIONS)
round = test -d $(1) || $(DICTIONARIES)-$(2) --out $(1) $(if $(wildcard $(1).run/checkpoint.*),--resume)
# write the bundle that ships: $(call assemble,BUNDLE AND OPTIONS)
assemble = $(RUN)/gearscope organism assemble $(1) $(foreach seed,$(OTHER_SEEDS),--other-seed $(seed)) \
  $(if $(SEALED),--sealed $(SEALED)) --out $(SHIPPED) --replace
# bundles of other seeds, or their stored tables: make bundle OTHER_SEEDS="build/seed1 build/seed2" SEALED=2
OTHER_SEEDS ?= $(wildcard $(SHIPPED)/seeds/*.json)
SEALED ?=

IS_FIT = 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))'
INSTALL = $(RUN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test check types bench compare bundle clean

help:  ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed  ## trace `calc : 36 + 59 =` in the bundled model, print its circuit and open it in the browser
	@$(RUN)/python frontend/node.py build --if-stale || echo "the page is left as it was built before" >&2
	@# nobody looks at a page where there is no terminal, and CI must end: there the text is all
	@if [ -t 0 ] && [ -t 1 ] && [ -z "$$CI" ]; then $(RUN)/gearscope demo; else $(RUN)/gearscope demo --once; fi

test: check  ## the checks below, then every test, the page's in a headless Chromium
	$(RUN)/python frontend/node.py test
	$(RUN)/python frontend/node.py build --if-stale
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

check: $(VENV)/.installed-dev  ## style, types and the order of the rooms
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/ty check --python $(VENV)
	$(RUN)/lint-imports
	$(RUN)/python frontend/node.py check

types: $(VENV)/.installed  ## the page's TypeScript types, from the server's schemas
	$(RUN)/python -m gearscope.web.typescript frontend/src/api/types.ts

bench: $(VENV)/.installed  ## time and memory of a first graph and of a GPT-2-size one
	$(RUN)/python benchmarks/neurons.py

compare: $(VENV)/.installed  ## attribution beside circuit-tracer: makes its environment in build/ (5 GB); some ten minutes
	$(RUN)/python benchmarks/attribution.py

bundle: $(VENV)/.installed  ## train the bundled model again from its seed, its dictionaries too; goes on where it stopped
	test -d $(BUNDLE) || OMP_NUM_THREADS=1 $(RUN)/gearscope organism train --out $(BUNDLE) $(if $(wildcard $(BUNDLE).run/*),--resume)
	$(call round,$(BUNDLE)-plt-1,plt)
	$(call round,$(BUNDLE)-plt-2,plt-2 --start $(BUNDLE)-plt-1)
	$(call round,$(BUNDLE)-plt,plt-3 --start $(BUNDLE)-plt-2)
	$(call round,$(BUNDLE)-clt-1,clt)
	$(call round,$(BUNDLE)-clt,clt-2 --start $(BUNDLE)-clt-1)
	$(call assemble,$(BUNDLE) --plt $(BUNDLE)-plt --clt $(BUNDLE)-clt)
	test -d $(BUNDLE)-library || OMP_NUM_THREADS=1 $(RUN)/gearscope library build --dictionary clt --out $(BUNDLE)-library
	OMP_NUM_THREADS=1 $(RUN)/gearscope label $(BUNDLE)-library
	$(call assemble,$(SHIPPED) --library $(BUNDLE)-library)

clean:  ## remove the environment and the caches (a training run in build/ stays)
	rm -rf .venv dist frontend/node_modules src/gearscope/web/static .ruff_cache .import_linter_cache .hypothesis

# --- the environment ---------------------------------------------------------------------------------------------------

$(VENV)/.made:
	@for python in $(PYTHON); do \
	  if $$python -c $(IS_FIT) 2>/dev/null; then echo "making $(VENV) with $$python"; exec $$python -m venv $(VENV); fi; \
	done; \
	echo "gearscope needs Python 3.11 or newer with its venv module; found $$($$python --version 2>&1 | head -n 1);" \
	  "name another one with: make demo PYTHON=/path/to/python3.11" >&2; exit 2
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo "installing into $(VENV): about a minute and 1.2 GB the first time (more where torch comes with CUDA)"
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) -e '.[dev]'
	@touch $@
