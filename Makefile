# Daily commands. `make help` describes each target.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLES := .cache/samples
AUDIT := .cache/audit
AUDIT_SERVICE ?= pypi
IMAGE_LOCK := --constraint requirements.lock --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet

.PHONY: help setup demo stream-demo servers stack stack-down test check chaos compose-test format bench lock audit manifests kustomize prometheus browser clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.complete $(SAMPLES)  ## install the environment, packages, model files and sample photographs

$(VENV)/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'expected Python 3.11 or newer as PYTHON=$(PYTHON)'; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	$(BIN)/facestream models fetch
	@touch $@

$(SAMPLES): $(VENV)/.complete
	$(BIN)/facestream models fetch --samples $(SAMPLES)
	@touch $@

demo: setup  ## find the people on the sample photographs, without servers
	$(BIN)/facestream run $(SAMPLES) --out demo-result --min-cluster-size 5
	@echo 'The report: demo-result/report.html'

stream-demo: setup servers  ## run the whole stream once: servers, services, photographs, events; stops everything at the end
	@$(BIN)/python -m tools.stream_demo

browser:  # the tests of the report need a browser
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || echo 'Chromium is missing and cannot be installed without root: tests that need a browser are skipped'

prometheus:  # the tests of alerts and dashboard need Prometheus and promtool
	@command -v promtool >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq prometheus >/dev/null; } || echo 'Prometheus is missing and cannot be installed without root: tests that need it are skipped'

kustomize: $(VENV)/.complete  # the tests of the manifests need it
	@$(BIN)/python -m tools.manifests install

servers: $(VENV)/.complete  # install Kafka, MinIO and a server of MongoDB's protocol; tests of a missing server are skipped
	@$(BIN)/python -m tools.stack install

stack: servers  ## start Kafka, MinIO and a server of MongoDB's protocol; print their addresses
	@$(BIN)/python -m tools.stack up

stack-down:  ## stop the servers of `make stack` and remove their data
	@$(BIN)/python -m tools.stack down

test: setup browser prometheus kustomize servers  ## run all tests; starts the servers that they need
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: setup kustomize  ## check format, lint, types, imports, dependencies; run the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m pytest -q -n logical -m 'not slow' tests/unit tests/contract

format:  ## format the code and apply fixes of the linter
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

chaos: setup servers  ## kill, freeze and stop processes and servers while photographs stream in; prints a table (11 minutes)
	@$(BIN)/python -m tools.chaos

compose-test: setup  ## test docker-compose.yml on a container engine: build, photographs, kill, scale, restart
	@$(BIN)/python -m tools.compose

manifests: $(VENV)/.complete  ## write the generated files: parts of deploy/k8s, the dashboard, AsyncAPI, pages in docs
	$(BIN)/python -m tools.manifests make
	$(BIN)/python -m deploy.grafana.make_dashboard
	$(BIN)/python -m docs.make_asyncapi
	$(BIN)/python -m docs.make_configuration
	$(BIN)/python -m docs.make_metrics
	$(BIN)/python -m docs.make_events

bench: setup  ## run the benchmarks; writes bench-results.json
	$(BIN)/python -m bench

lock:  ## write the lock files, with hashes and without an index URL
	uv pip compile pyproject.toml --extra standalone --extra streaming --extra tracing --extra dask --group dev --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --quiet --upgrade --output-file requirements.lock
	for image in cpu gpu; do uv pip compile pyproject.toml deploy/docker/$$image.in --extra assigner --extra detector --extra quality \
	  --extra reclusterer --extra streaming --extra tracing $(IMAGE_LOCK) --output-file deploy/docker/$$image.lock || exit; done
	for tools in build audit; do uv pip compile deploy/docker/$$tools.in $(IMAGE_LOCK) --output-file deploy/docker/$$tools.lock || exit; done

audit: $(AUDIT)/.complete  ## look up known vulnerabilities of the locked packages; writes CycloneDX lists to dist/sbom
	@$(AUDIT)/bin/python deploy/docker/audit.py $(AUDIT_SERVICE) dist/sbom

$(AUDIT)/.complete: deploy/docker/audit.lock
	$(PYTHON) -m venv --clear $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes --requirement $<
	@touch $@

clean:  ## remove everything that make has created, also model files
	-test ! -d .cache/stack/run || $(BIN)/python -m tools.stack down
	rm -rf $(VENV) .cache dist/sbom demo-result bench-results.json
