# Everything below makes its own environment in .venv; nothing is installed anywhere else.
#   make PYTHON=/path/to/python3.12 ...   chooses the interpreter

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

LOCK := requirements/dev.txt
BIN := .venv/bin
# The environment is remade when the lock's content changes, and only then.
READY := .venv/.ready-$(firstword $(shell sha256sum $(LOCK)))

# The first interpreter that runs, is new enough for training and can make an environment.
find_python = for each in python3.11 python3.12 python3.13 python3; do \
	if $$each -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; \
	then echo $$each; break; fi; done
PYTHON ?= $(shell $(find_python))

# $(call part,NAME,COMMAND) runs one part of the tests and says how long it took.
define part
	@echo "--- $(1)"; began=$$SECONDS; \
	$(2) || { echo "--- $(1): FAILED after $$((SECONDS - began)) s"; exit 1; }; \
	echo "--- $(1): $$((SECONDS - began)) s"
endef

.PHONY: help setup quickstart study test slow fuzz lock sbom audit clean

help:  ## what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(READY)  ## the Python environment, in .venv, from the lock

$(READY):
	@[ -n "$(PYTHON)" ] || { echo "no Python 3.11 or newer with venv was found; try make PYTHON=..." >&2; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version), $$(grep -c == $(LOCK)) packages, some GB the first time"
	@began=$$SECONDS; \
	$(PYTHON) -m venv --clear .venv; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r $(LOCK); \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	echo "made .venv in $$((SECONDS - began)) s"
	@touch $@

quickstart: setup  ## the whole path on the embedded demo set
	@$(BIN)/kit quickstart

study: setup  ## the smallest study: a grid on the embedded set, a few minutes
	@$(BIN)/kit study smoke --out runs/smoke

test: setup  ## style, types, import direction and all quick tests
	$(call part,ruff check,$(BIN)/ruff check --quiet .)
	$(call part,ruff format,$(BIN)/ruff format --quiet --check .)
	$(call part,mypy,$(BIN)/mypy)
	$(call part,import-linter,$(BIN)/lint-imports --no-cache --no-logo)
	$(call part,pytest,$(BIN)/python -m pytest -q)

slow: setup  ## the tests that take minutes
	$(call part,pytest -m slow,$(BIN)/python -m pytest -q -m slow)
	$(call part,new examples,KIT_EXAMPLES=explore $(BIN)/python -m pytest -q tests/conformance/test_formats.py tests/unit/data)

# SECONDS of a shell count upwards by themselves, so the option has another name.
fuzz: setup  ## damaged and hostile files for every parser (FUZZ=600 seconds), with a report
	@$(BIN)/python benchmarks/fuzz.py --seconds $(or $(FUZZ),600)

# One lock per place the kit runs. uv.lock would write out the registry's addresses, these don't.
compile = $(BIN)/uv pip compile pyproject.toml --quiet --generate-hashes --no-annotate --no-emit-index-url \
	--excludes requirements/excludes.in --custom-compile-command "make lock" $(UPGRADE)
training = --extra train --extra ultralytics

lock: setup  ## make the locks again (UPGRADE=--upgrade takes newer versions)
	$(compile) --universal --python-version 3.11 --extra cpu $(training) --extra study --extra ray --extra sign --extra app --extra supply --extra dev -o requirements/dev.txt
	$(compile) --universal --python-version 3.11 --extra cuda $(training) --extra study --extra sign -o requirements/train.txt
	$(compile) --universal --python-version 3.11 --extra cpu --extra sign -o requirements/edge-cpu.txt
	$(compile) --universal --python-version 3.11 --extra cpu --extra sign --extra app -o requirements/edge-cpu-app.txt
	$(compile) --universal --python-version 3.11 --extra cuda --extra sign -o requirements/edge-cuda.txt
	$(compile) --universal --python-version 3.11 --extra cuda --extra sign --extra app -o requirements/edge-cuda-app.txt
	$(compile) --excludes requirements/tensorrt.in --universal --python-version 3.12 --extra cuda --extra tensorrt --extra sign -o requirements/edge-tensorrt.txt
	$(compile) --excludes requirements/tensorrt.in --universal --python-version 3.12 --extra cuda --extra tensorrt --extra sign --extra app -o requirements/edge-tensorrt-app.txt
	$(compile) --python-version 3.10 --python-platform linux --extra cpu --extra sign --extra app -o requirements/edge-cpu-py310.txt
	$(compile) --excludes requirements/tensorrt.in -c requirements/jetson-6.in --python-version 3.10 --python-platform aarch64-manylinux_2_35 --extra cpu --extra tensorrt --extra sign --extra app -o requirements/jetson-6.txt
	$(compile) --excludes requirements/tensorrt.in --universal --python-version 3.12 --extra cpu --extra tensorrt --extra sign --extra app -o requirements/jetson-7.txt
	$(compile:pyproject.toml=requirements/build.in) -c requirements/dev.txt --universal --python-version 3.10 -o requirements/build.txt
	$(compile:pyproject.toml=requirements/supply.in) -c requirements/dev.txt --universal --python-version 3.10 -o requirements/supply.txt

sbom: setup  ## what each lock brings, under which licences: build/sbom, a folder a lock
	@rm -rf build/sbom; for each in requirements/*.txt; do \
	$(BIN)/python -m kit.supply "build/sbom/$$(basename "$$each" .txt)" --lock "$$each"; done

audit: setup  ## known weaknesses of what the locks bring; asks a service, so it needs a connection
	@$(BIN)/python -m kit.supply.audit requirements/*.txt

clean:  ## remove the environment and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
