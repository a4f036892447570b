# Every target sets up what it needs; what is set up already costs nothing.
SHELL := bash
PYTHON ?= python3
VENV := .venv
MINISTACK := .venv-ministack
RUNTIME := .venv-faults
BENCH := .venv-bench
BIN := $(VENV)/bin

.PHONY: help setup demo test unit infra sandbox mutation sabotage faults bench check format lock clean

help:  ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.project $(MINISTACK)/.done $(RUNTIME)/.done node_modules/.done  ## Python environments and the CDK CLI, as locked

$(VENV)/.done: requirements/dev.txt
	@PYTHON=$(PYTHON) requirements/prerequisites
	@echo "setting up Python ($(VENV)): once, about a minute"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.project: $(VENV)/.done pyproject.toml
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(MINISTACK)/.done: requirements/ministack.txt
	@PYTHON=$(PYTHON) requirements/prerequisites
	@echo "setting up the local AWS ($(MINISTACK))"
	@$(PYTHON) -m venv --clear $(MINISTACK)
	@$(MINISTACK)/bin/pip install --quiet --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/ministack.txt
	@touch $@

$(RUNTIME)/.done: requirements/faults.txt
	@PYTHON=$(PYTHON) requirements/prerequisites
	@echo "setting up the functions' runtime interface client ($(RUNTIME))"
	@$(PYTHON) -m venv --clear $(RUNTIME)
	@$(RUNTIME)/bin/pip install --quiet --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/faults.txt
	@touch $@

node_modules/.done: package.json package-lock.json
	@PYTHON=$(PYTHON) requirements/prerequisites
	@echo "setting up the CDK command line tool, compilers of byte-code and an IAM policy simulator (node_modules)"
	@npm ci --silent --no-progress
	@touch $@

demo: setup  ## the whole product in a sandbox on this machine: deploy, replay events/, show the chats
	@$(BIN)/bridge demo

test: setup  ## all tests, those of the sandbox beside the others
	@mkdir -p build
	@$(BIN)/pytest tests/sandbox > build/sandbox-tests.log 2>&1 & sandbox=$$!; \
	$(BIN)/pytest tests/unit tests/mutation tests/infra tests/permissions tests/faults; others=$$?; \
	wait $$sandbox; sandbox=$$?; cat build/sandbox-tests.log; exit $$((others || sandbox))

unit: export PYTHONDONTWRITEBYTECODE :=
unit: $(VENV)/.project  ## fast tests, no sockets
	@$(BIN)/pytest tests/unit -n 2 --dist loadfile

infra: setup  ## the synthesised template, and what its policies let through
	@$(BIN)/pytest tests/infra tests/permissions

sandbox: setup  ## a real deploy to a local AWS, with injected faults
	@$(BIN)/pytest tests/sandbox

mutation: setup  ## mutation tests, each to turn its test red; one: ONLY=group-lock; random ones: RANDOM=140 SEED=1
	@$(BIN)/python -m tests.mutation $(ONLY) $(if $(RANDOM),--random $(RANDOM)) $(if $(SEED),--seed $(SEED))

sabotage: mutation

faults: setup  ## 20,000 texts through kills and outages: make faults SEED=1 [DELIVERY=start-chat] [TEXTS=2000]
	@$(BIN)/python -m testing.faults $(if $(SEED),--seed $(SEED)) $(if $(DELIVERY),--delivery $(DELIVERY)) $(if $(TEXTS),--texts $(TEXTS))

bench: setup $(BENCH)/.done  ## beside naive bridges, into docs/benchmarks.md: twenty minutes
	@$(BIN)/python -m bench $(if $(SEED),--seed $(SEED))

$(BENCH)/.done: requirements/bench.txt
	@PYTHON=$(PYTHON) requirements/prerequisites
	@echo "setting up what draws the benchmarks ($(BENCH))"
	@$(PYTHON) -m venv --clear $(BENCH)
	@$(BENCH)/bin/pip install --quiet --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/bench.txt
	@touch $@

check: $(VENV)/.project  ## lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports --no-logo

format: setup  ## let ruff write what check would find
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock:  ## resolve requirements/*.in anew, with hashes
	@requirements/lock

clean:  ## remove what setup and the tests made
	@rm -rf $(VENV) $(MINISTACK) $(RUNTIME) $(BENCH) node_modules cdk.out build .sandbox .mypy_cache .ruff_cache .pytest_cache .hypothesis
