# Two commands are all a newcomer needs: `make demo` and `make test`.  Both set up what they need, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOAK := $(addprefix tests/,bot/test_kill.py test_crash.py test_crash_production.py test_crowd.py test_payloads.py \
	test_production_model.py test_switches.py runners/test_real_node.py runners/test_real_languages.py)
READY := $(VENV)/.ready
PYTEST := $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: help demo test fast check soak format bench clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(READY) ## a GitHub on your own machine, an agent, a live preview (ONCE=1: tell the story and end)
	@$(BIN)/slipway demo $(if $(ONCE),--once,)

test: $(READY) ## all tests; those that need Docker run when an engine answers
	$(PYTEST) $(ARGS)

fast: $(READY) ## the tests that take milliseconds
	$(PYTEST) -m "not slow and not docker" $(ARGS)

check: $(READY) ## format, lint, types, layers, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) $(ARGS)

soak: $(READY) ## the long tests at their full size: fifty pull requests, fifty switches, twenty kills, long builds
	SLIPWAY_SOAK=1 $(PYTEST) -n 2 $(SOAK) $(ARGS)

format: $(READY) ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## what we claim about speed, measured here
	$(BIN)/python -m bench.preview
	$(BIN)/python -m bench.release

clean: ## remove what make made
	rm -rf $(VENV) .slipway

$(READY): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Slipway needs Python 3.11 or newer; set PYTHON=python3.x"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	@test -x $(BIN)/uv || $(PYTHON) deploy/get-uv $(BIN)
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv sync --quiet --frozen --active --extra scan --extra scan-js
	@touch $(READY)
