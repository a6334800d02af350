# Two commands do all the set-up: `make demo` and `make test`. Needs make and Python >= 3.11 with venv.
# PYTHON=... names the interpreter; ARGS="..." goes to pytest, to the demo or to the benchmark.

.PHONY: help demo test readers lint format bench test-long wheel deb constraints clean
.DEFAULT_GOAL := help

BIN := .venv/bin
export MAKECMDGOALS
export PYTHON

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## start a gateway, send it a handful of mails, show what each became; ends by itself
	@sh scripts/venv.sh run
	@$(BIN)/careerrelay demo $(ARGS)

test: ## all checks: style, types, layers, spelling, tests with coverage
	@sh scripts/venv.sh dev
	@$(BIN)/python scripts/checks.py test $(ARGS)

lint: ## the checks that only read the sources
	@sh scripts/venv.sh dev
	@$(BIN)/python scripts/checks.py lint

format: ## bring the sources into the project's format
	@sh scripts/venv.sh dev
	@$(BIN)/ruff check --fix --exit-zero . && $(BIN)/ruff format .

bench: ## compare speed and memory with other relays on this machine
	@sh scripts/venv.sh dev
	@$(BIN)/python -m bench $(ARGS)

test-long: ## the long tests: fuzzing, soak, installation in a clean root (not part of `make test`)
	@sh scripts/venv.sh dev
	@$(BIN)/python scripts/checks.py long $(ARGS)

readers: ## fetch the mail readers from npm that some tests compare with (Node 20 or newer)
	@cd tests/readers/node && npm ci --ignore-scripts --no-audit --no-fund

wheel: ## build the Python wheel into dist/
	@sh scripts/venv.sh run
	@PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

deb: ## build the Debian package into dist/, for the release that this machine runs
	@sh scripts/venv.sh run
	@$(BIN)/python scripts/deb.py $(ARGS)

constraints: ## renew the locked versions from what the registry has now
	@sh scripts/constraints.sh

clean: ## remove what the other targets made
	rm -rf .venv tests/readers/node/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* dist htmlcov
