# Everything a contributor runs. `make` alone lists it; CONTRIBUTING.md says when to use what.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := $(VENV)/.packages
READY := $(VENV)/.ready
BENCH := bench/.venv
PEERS := $(BENCH)/.packages

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  ARGS="..."   is handed on, as in: make test ARGS="-k tenancy"'
	@echo '  PYTHON=...   names the Python that setup builds $(VENV) with'

.PHONY: setup
setup: $(READY) ## Make .venv with the locked packages (all targets but clean do it by themselves)
	@echo 'Ready: $(BIN)/spothive'

.PHONY: demo
demo: $(READY) ## Take real AWS output into an embedded database and show it
	@$(BIN)/spothive demo $(ARGS)

# One process a core, but no more than four: all of them share one PostgreSQL.
.PHONY: test
test: $(READY) ## Run the tests on SQLite and PostgreSQL
	@$(BIN)/pytest -n logical --maxprocesses 4 -m 'not torture' $(ARGS)

.PHONY: check
check: $(READY) ## Check format, lint, types, floors and the SQL of the migrations
	@failed=; \
	try() { \
	    title=$$1; shift; \
	    printf '\n== %s\n' "$$title"; \
	    "$$@" || failed="$$failed $$title"; \
	}; \
	try format $(BIN)/ruff format --check; \
	try lint   $(BIN)/ruff check; \
	try types  $(BIN)/mypy; \
	try floors $(BIN)/lint-imports --no-logo; \
	try sql    $(LINT_SQL); \
	[ -z "$$failed" ] || { printf '\nFailed:%s\n' "$$failed" >&2; exit 1; }

LINT_SQL = sh -c 'script=$$($(BIN)/spothive db sql --dialect postgresql) && printf "%s\n" "$$script" \
    | sed -f .ci/part-revisions.sed | $(BIN)/squawk --stdin-filepath migrations.sql'

.PHONY: torture
torture: $(READY) ## Run the kills, stalls and long transactions (before a piece of work is called done)
	@$(BIN)/pytest -m torture -o faulthandler_timeout=0 $(ARGS)

.PHONY: bench
bench: $(PEERS) ## Measure spothive against its goals and its peers (ONLY=A1,J1 SCALE=0.1 REPEAT=5)
	@PYTHONPATH=src $(BENCH)/bin/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(SCALE),--scale $(SCALE)) \
	    $(if $(REPEAT),--repeat $(REPEAT)) $(ARGS)

.PHONY: reports
reports: $(PEERS) ## Time each report command over a million decisions, on both databases (ten minutes)
	@PYTHONPATH=src $(BENCH)/bin/python -m bench.reports $(ARGS)

.PHONY: lock
lock: $(READY) ## Re-make both requirements.lock, which name exact versions (newest ones: ARGS=--upgrade)
	@$(COMPILE) pyproject.toml --extra all --group dev --output-file requirements.lock $(ARGS)
	@$(COMPILE) pyproject.toml bench/requirements.in --extra embedded --constraint requirements.lock \
	    --output-file bench/requirements.lock $(ARGS)

COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
    --custom-compile-command 'make lock' --quiet

.PHONY: schema
schema: $(READY) ## Re-draw what is generated: the schema as SQL, and the pages of docs/
	@$(BIN)/python -m spothive.database.migrations.picture
	@$(BIN)/python -m spothive.database.migrations.guide
	@$(BIN)/python -m spothive.operations.identity.permissions_page

.PHONY: model
model: $(READY) ## Train the model that ships with spothive, and write its card
	@$(BIN)/python -m training $(ARGS)

.PHONY: clean
clean: ## Remove both .venv and every cache (your databases in var/ stay)
	@rm -rf $(VENV) $(BENCH) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +


# --- setup -----------------------------------------------------------------------------------------------
#
# $(PACKAGES) is written after the locked packages went in, $(READY) after spothive itself did: a step that
# failed or was killed leaves no stamp, and the next run begins it again. Everything here is for GNU make 3.81
# and a plain sh: that is what macOS and a bare Debian have.

PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
LOG := $(VENV)/setup.log
PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check

# What a Python must bring along, in the words that end up in the error.
define PROBE
import sys
version = ".".join(map(str, sys.version_info[:3]))
try:
    import ensurepip, sqlite3, ssl, venv
except ImportError as missing:
    sys.exit(f"{version} has no module {missing.name} (Debian, Ubuntu: apt install python3-venv)")
if sqlite3.sqlite_version_info < (3, 38):
    sys.exit(f"{version} comes with SQLite {sqlite3.sqlite_version}, spothive needs 3.38 or newer")
endef
export PROBE

# The one line of pip's many that says why.
define EXPLAIN
if grep -q 'connection broken' $(LOG); \
then why='pip reaches no package index; check the network, the proxy or PIP_INDEX_URL and run make again'; \
else why=$$(grep -E '(Error|ERROR): ' $(LOG) | tail -n 1 | sed 's/^ *//'); fi; \
echo "setup: $${why:-pip was stopped} (all it said: $(LOG))" >&2; exit 1
endef

# uv installs in a quarter of the time that pip takes. What uv cannot do, pip tries and says why: some networks let only
# pip through, by what is set for it alone.
INSTALL = index=$$($(PIP) config list | sed -n "s/^.*\.index.url='\(.*\)'$$/\1/p" | tail -n 1); \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	$(BIN)/uv --quiet --system-certs pip install --python $(1) --compile-bytecode --require-hashes --requirement $(2) \
	    >$(LOG) 2>&1 \
	|| $(PIP) --python $(1) install --require-hashes --requirement $(2) >$(LOG) 2>&1 || { $(EXPLAIN); }

# A .venv that was moved, copied or lost its Python still has its stamps. Where was it made, if it runs at all?
MADE_IN := $(shell $(BIN)/python -I -c 'import pip; print(open("$(PACKAGES)").read())' 2>/dev/null)
ifneq ($(MADE_IN),$(CURDIR))
.PHONY: $(PACKAGES)
endif

$(PACKAGES): requirements.lock
	@fail() { echo "setup: $$1" >&2; exit 1; }; \
	python=; why='no working Python 3.11 or newer (tried: $(PYTHONS))'; \
	for name in $(PYTHONS); do \
	    "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    said=$$("$$name" -c "$$PROBE" 2>&1) && { python=$$name; break; }; \
	    why="$$name $$said"; \
	done; \
	[ -n "$$python" ] || fail "$$why; install it or name another Python: make setup PYTHON=/path/to/python3"; \
	echo "Setting up $(VENV) with $$("$$python" --version), about half a minute"; \
	start=$$(date +%s); \
	said=$$({ rm -rf $(VENV) && "$$python" -m venv $(VENV); } 2>&1) \
	    || fail "cannot make $(VENV): $$(echo "$$said" | tail -n 1)"; \
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock >$(VENV)/uv.lock; \
	$(PIP) install --require-hashes --requirement $(VENV)/uv.lock >$(LOG) 2>&1 || { $(EXPLAIN); }; \
	$(call INSTALL,$(VENV),requirements.lock); \
	echo "Set up in $$(($$(date +%s) - start)) s"
	@echo "$(CURDIR)" >$@

$(READY): $(PACKAGES) pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable . >$(LOG) 2>&1 || { $(EXPLAIN); }
	@$(BIN)/python -m compileall -q src
	@touch $@

# The peers go into an environment of their own: nothing that spothive is measured against is there by accident
# when it is tested. What both need has the same version in both.
$(PEERS): $(READY) bench/requirements.lock
	@echo 'Setting up $(BENCH) with what spothive is measured against'
	@rm -rf $(BENCH) && $(BIN)/python -m venv --without-pip $(BENCH)
	@$(call INSTALL,$(BENCH),bench/requirements.lock)
	@touch $@
