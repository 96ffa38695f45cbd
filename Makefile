# run: the portal with demo data (SQL=1 logs its SQL) · test · check: style, types, imports, templates
# bench: the portal beside other programs · screenshots: the README's pictures · audit · lock · clean
PYTHON ?= python3
BIN := .venv/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --quiet --require-hashes
COMPILE := $(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

.PHONY: run test check bench screenshots audit lock clean

run: .venv/run.stamp
	@PORTAL_SQL=$(SQL) exec $(BIN)/flask --app wsgi serve

test: .venv/dev.stamp
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/architecture/test_templates.py

bench: .venv/dev.stamp
	@$(BIN)/python -m bench $(ARGS)

screenshots: .venv/dev.stamp
	@$(BIN)/python -m tests.browser.screenshots

audit: .venv/dev.stamp
	@.ci/audit

lock: .venv/dev.stamp
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(COMPILE) --output-file requirements.txt pyproject.toml
	@$(COMPILE) --extra dev --output-file requirements-dev.txt pyproject.toml
	@sed -i '/^$$/d; /^#/d' requirements.txt requirements-dev.txt

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "The database is kept: remove instance/ yourself to lose it."

.venv/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "portal needs Python 3.11 or later; try make PYTHON=python3.12")'
	@echo "Installing what the portal needs into .venv (once, a minute or so) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(PIP) --requirement requirements.txt
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	@echo "Installing what tests and checks need into .venv (once) ..."
	@$(PIP) --requirement requirements-dev.txt
	@touch $@
