# The map of habits. `make help` describes each.
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

help:  ## describe every target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.complete $(SAMPLES)  ## environment, packages, model files, sample photographs

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

demo: setup  ## find the people on the sample photographs; no server needed
	$(BIN)/facestream run $(SAMPLES) --out demo-result --min-cluster-size 5
	@echo 'The report: demo-result/report.html'

stream-demo: setup servers  ## Kafka, MinIO and MongoDB's protocol, four services, photographs, events; all stopped at the end
	@$(BIN)/python -m tools.stream_demo

browser:  # the report's test looks at it in a real browser
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || echo 'no chromium, and no right to install it: the tests that need a browser will be skipped'

prometheus:  # alerts and dashboard are judged by promtool and a real Prometheus
	@command -v promtool >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq prometheus >/dev/null; } || echo 'no prometheus, and no right to install it: the tests that need it will be skipped'

kustomize: $(VENV)/.complete  # renders the manifests for their tests
	@$(BIN)/python -m tools.manifests install

servers: $(VENV)/.complete  # get Kafka, MinIO and a server of MongoDB's protocol; what cannot be had here is named, and its tests skipped
	@$(BIN)/python -m tools.stack install

stack: servers  ## start Kafka, MinIO and MongoDB's protocol on this machine; print how to reach them (again: python -m tools.stack env)
	@$(BIN)/python -m tools.stack up

stack-down:  ## stop them and remove their data
	@$(BIN)/python -m tools.stack down

test: setup browser prometheus kustomize servers  ## all tests; starts the servers that they need
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: setup kustomize  ## seconds: format, lint, types, imports, dependencies, unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m pytest -q -n logical -m 'not slow' tests/unit tests/contract

format:  ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

chaos: setup servers  ## photographs stream in while processes and servers are killed, frozen, cut off; prints a table (11 minutes)
	@$(BIN)/python -m tools.chaos

compose-test: setup  ## docker-compose.yml for real: build, photographs, kill, scale, down and up again; needs a container engine
	@$(BIN)/python -m tools.compose

manifests: $(VENV)/.complete  ## write again what is made by code: parts of deploy/k8s, the dashboard, the AsyncAPI document, pages in docs
	$(BIN)/python -m tools.manifests make
	$(BIN)/python -m deploy.grafana.make_dashboard
	$(BIN)/python -m docs.make_asyncapi
	$(BIN)/python -m docs.make_configuration
	$(BIN)/python -m docs.make_metrics
	$(BIN)/python -m docs.make_events

bench: setup  ## measure, each number beside its baseline; also as bench-results.json
	$(BIN)/python -m bench

lock:  ## pin what runs, with hashes and without an index address
	uv pip compile pyproject.toml --extra standalone --extra streaming --extra tracing --extra dask --group dev --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --quiet --upgrade --output-file requirements.lock
	for image in cpu gpu; do uv pip compile pyproject.toml deploy/docker/$$image.in --extra assigner --extra detector --extra quality \
	  --extra reclusterer --extra streaming --extra tracing $(IMAGE_LOCK) --output-file deploy/docker/$$image.lock || exit; done
	for tools in build audit; do uv pip compile deploy/docker/$$tools.in $(IMAGE_LOCK) --output-file deploy/docker/$$tools.lock || exit; done

audit: $(AUDIT)/.complete  ## known holes of the locked packages, and lists of them (CycloneDX) in dist/sbom; asks an advisory service
	@$(AUDIT)/bin/python deploy/docker/audit.py $(AUDIT_SERVICE) dist/sbom

$(AUDIT)/.complete: deploy/docker/audit.lock
	$(PYTHON) -m venv --clear $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes --requirement $<
	@touch $@

clean:  ## remove what was made here, model files included
	-test ! -d .cache/stack/run || $(BIN)/python -m tools.stack down
	rm -rf $(VENV) .cache dist/sbom demo-result bench-results.json
