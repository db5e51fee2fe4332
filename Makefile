# The environment is .venv: made by the first command that needs it, and made again when pyproject.toml or
# constraints.txt change.
.DEFAULT_GOAL := help
.PHONY: help up test check unit faults lint bench clean

PYTHON := .venv/bin/python
# Where it is set, each of the hundreds of processes of a test run would compile every file again.
unexport PYTHONDONTWRITEBYTECODE
ARGS :=

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

up: .venv/installed ## the whole system on this machine with 5,000 events, shown live; Ctrl-C stops it
	@$(PYTHON) -m prompt_worker up --demo 5000 $$([ -t 0 ] && [ -t 1 ] || echo --once) $(ARGS)

# ARGS="-n 0 -k name" runs some tests in one process.
test: .venv/installed ## every test, on real PostgreSQLs and Google's Pub/Sub emulator, in parallel
	@$(PYTHON) -m pytest -n auto $(ARGS)

check: .venv/installed ## lint, types and the unit tests: the loop while working
	@$(MAKE) --no-print-directory --jobs=2 lint unit

unit: .venv/installed
	@$(PYTHON) -m pytest -q -n auto tests/unit $(ARGS)

faults: .venv/installed ## the long faults: 20 kills during 50,000 events, a day's outage, 200 live databases
	@$(PYTHON) -m tests.faults.kill
	@$(PYTHON) -m tests.faults.outage
	@TAKEOVER_SHAPES=200 $(PYTHON) -m pytest -q -n auto --timeout 3600 tests/integration/test_takeover_shapes.py

lint: .venv/installed ## ruff, mypy --strict, who may import whom, and the linters of what is not Python
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@printed=$$(.venv/bin/lint-imports 2>&1) || { echo "$$printed"; exit 1; }
	@.venv/bin/hadolint Dockerfile
	@.venv/bin/shellcheck .ci/environment .ci/run deploy/deploy.sh
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.cloudbuild deploy/cloudbuild.yaml
	@.venv/bin/zizmor --quiet --offline .github

bench: .venv/installed ## speed and memory against their goals, written to tests/benchmarks/README.md
	@$(PYTHON) -m tests.benchmarks $(ARGS)

clean: ## remove the environment and caches
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/installed: pyproject.toml constraints.txt
	@bash .ci/environment
