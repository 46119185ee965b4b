# echoscope: `make run` serves it, `make test` tests it; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps

.DEFAULT_GOAL := help
.PHONY: help run setup test smoke check openapi fuzz audit format bench screenshots lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

run: setup ## set up, then serve: make run ARGS="--echo-port 7000"
	@exec $(BIN)/python app.py serve $(ARGS)

setup: $(STAMPS)/python $(STAMPS)/browser ## virtual environment and browser libraries

# Hundreds of processes begin in a run: compiling the program anew in each would be a fifth of what they cost.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup $(STAMPS)/tests ## every test, those in a real browser included: make test ARGS="tests/test_ring.py"
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	PATH="$$PATH:$(CURDIR)/$(BIN)" node --test --test-reporter=dot tests/js/*.test.mjs
	$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal
endif

smoke: ## serve, echo, a page, a download: on every Python from 3.11 on that is installed
	@sh tests/smoke.sh

# Tests may use what a fixture leaves open (a value that may be None, a private name); their calls and arguments are checked.
LENIENT := union-attr index operator attr-defined func-returns-value no-any-return no-untyped-call no-untyped-def misc

check: setup $(STAMPS)/dev $(STAMPS)/node ## formatter, linter, types of Python and of the pages, import rules, docs/openapi.json
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests $(LENIENT:%=--disable-error-code=%) --no-warn-unused-ignores
	$(BIN)/lint-imports --no-cache
	PATH="$$PATH:$(CURDIR)/$(BIN)" node_modules/.bin/tsc
	$(BIN)/python -m web.openapi.changes

openapi: setup ## take a change of the API that breaks nothing into docs/openapi.json
	$(BIN)/python -m web.openapi.changes --write

audit: setup ## known weaknesses of what it is built on, by pip-audit and npm audit: asks PyPI and the npm registry
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.txt
	for name in requirements requirements-dev requirements-node requirements-audit; do \
	  $(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r $$name.txt || exit 1; \
	done
	PATH="$$PATH:$(CURDIR)/$(BIN)" npm audit --package-lock-only

fuzz: setup $(STAMPS)/dev ## made-up requests and packets for ten minutes: make fuzz SECONDS=60
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),600)

format: $(STAMPS)/dev ## let the formatter decide
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup $(STAMPS)/dev ## the benchmarks: make bench ARGS="--quick"
	$(BIN)/python -m bench $(ARGS)

screenshots: setup $(STAMPS)/tests ## pictures of every page into docs/screenshots
	$(BIN)/python -m tests.browser.screenshots

lock: $(STAMPS)/dev ## compile the requirements anew, with hashes
	$(BIN)/pip install --quiet uv
	for name in requirements requirements-dev requirements-node requirements-audit; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --upgrade $$name.in -o $$name.txt || exit 1; \
	done

clean: ## remove all that was set up or built; data/ stays
	rm -rf $(VENV) node_modules bench/build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(STAMPS)/python: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "echoscope needs Python 3.11 or newer, not " + sys.version.split()[0])'
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements-dev.txt $(STAMPS)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# npm comes with the machine or, where it does not, as a wheel into the virtual environment.
$(STAMPS)/npm: requirements-node.txt $(STAMPS)/python
	@command -v npm >/dev/null && command -v node >/dev/null \
	  || $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-node.txt
	@touch $@

$(STAMPS)/browser: package.json package-lock.json $(STAMPS)/npm
	@PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --omit=dev --ignore-scripts --silent --no-fund --no-audit
	@touch $@

$(STAMPS)/node: $(STAMPS)/browser
	@PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --ignore-scripts --silent --no-fund --no-audit
	@touch $@

$(STAMPS)/tests: tests/browser/setup.sh $(STAMPS)/dev $(STAMPS)/node
	@sh tests/browser/setup.sh
	@touch $@
