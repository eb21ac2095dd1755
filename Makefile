# `make help` lists the targets. What they run lives in infra/local (the local stack) and infra/tools (Go tools).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
LOCAL := .local
VENV := $(LOCAL)/venv
SAM := $(LOCAL)/sam
STACK := $(VENV)/bin/python infra/local/stack.py
DYNOXIDE_VERSION := 3.2.0
DYNOXIDE := $(LOCAL)/dynoxide/bin/dynoxide
WITH_DYNOXIDE := $(VENV)/bin/python infra/local/dynoxide.py $(DYNOXIDE) --
STATICCHECK := go tool -modfile=infra/tools/go.mod staticcheck
PYTHON_FILES := infra/local

# What `sam build` builds for, whatever the environment says; `make run` overrides it with this machine.
GOOS := linux
GOARCH := arm64

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- the local stack

.PHONY: run stop clean logs
run: $(VENV)/installed ## build and start rekey on this machine, or redeploy what changed (PORT=4566, EXAMPLE=1)
	@$(STACK) up $(if $(PORT),--port $(PORT)) $(if $(EXAMPLE),--example)

stop: $(VENV)/installed ## stop it; its state is kept
	@$(STACK) down

clean: $(VENV)/installed ## stop it and forget its state
	@$(STACK) clean

logs: $(VENV)/installed ## follow the functions' logs (FUNCTION=keys for one)
	@$(STACK) logs $(FUNCTION)

# --- checks

.PHONY: check test bench generate fmt
check: ## the fast checks: format, vet, staticcheck, unit tests
	@unformatted=$$(gofmt -l functions pkg infra); \
	  [ -z "$$unformatted" ] || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...
	CI= go test ./... # what needs an endpoint says so and is run by test-store and test-e2e

test: $(VENV)/installed ## everything that CI runs, fast things first
	@$(VENV)/bin/python infra/local/steps.py \
	  check test-local test-template test-build test-race test-store test-e2e

bench: $(VENV)/installed dynoxide ## the figures of docs/performance.md
	@with=$$([ ! -x $(DYNOXIDE) ] || echo '$(WITH_DYNOXIDE)'); \
	  $$with go test -run '^$$' -bench . -benchmem ./pkg/... ./functions/... | grep -vE '^(\?|PASS|ok)'; \
	  if ls infra/bench/*.go >/dev/null 2>&1; then \
	    $(STACK) --folder $(LOCAL)/bench with -- $$with go run ./infra/bench; \
	  fi

generate: ## rewrite what is generated from the code
	go generate ./...

fmt: ## format the Go code
	gofmt -w functions pkg infra

# --- the parts of `make test`

.PHONY: test-local test-template test-build test-race test-store test-e2e dynoxide
test-local: $(VENV)/installed
	$(VENV)/bin/python -m unittest discover -s infra/local/tests -t infra/local

test-template: $(SAM)/installed
	$(SAM)/bin/ruff check --no-cache $(PYTHON_FILES)
	$(SAM)/bin/cfn-lint template.yaml infra/examples/*/template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(SAM)/bin/sam validate --lint

test-build: $(SAM)/installed
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(SAM)/bin/sam build --build-dir $(LOCAL)/sam-build

# The packages in which something runs beside something else.
test-race:
	CI= go test -race $$(grep -rlE '\bgo func|"sync|errgroup' --include='*.go' pkg functions | xargs -n 1 dirname | sort -u | sed 's|^|./|')

# Only dynoxide tells true capacity units; without it the same suite runs on the emulator, less those checks.
test-store: $(VENV)/installed dynoxide
	@if [ -x $(DYNOXIDE) ]; then with='$(WITH_DYNOXIDE)'; \
	  else with='$(STACK) --folder $(LOCAL)/test emulator --'; fi; \
	  set -x; $$with go test -count=1 ./pkg/dynamo/...
	@if [ -x $(DYNOXIDE) ]; then set -ex; for group in units allocations; do \
	  $(WITH_DYNOXIDE) go run ./infra/bench -only $$group; done; fi

test-e2e: $(VENV)/installed
	$(STACK) --folder $(LOCAL)/test with --example -- go test -count=1 -timeout 20m ./infra/e2e/...

dynoxide:
	@if [ -x $(DYNOXIDE) ]; then exit 0; \
	elif command -v cargo >/dev/null; then \
	  cargo install --locked --quiet --root $(LOCAL)/dynoxide --no-default-features \
	    --features native-sqlite,http-server,cli dynoxide-rs --version $(DYNOXIDE_VERSION); \
	elif [ "$${CI:-}" = true ]; then \
	  echo "error: dynoxide is needed in CI, and there is no cargo to install it"; exit 1; \
	else \
	  echo "CAPACITY CHECKS DO NOT RUN: they need dynoxide, which needs cargo (Rust 1.88)"; \
	fi

# --- the functions: `sam build` and `make run` both come here, with ARTIFACTS_DIR

# The function of infra/examples/protected-api.
build-RecordingsFunction:
	@CGO_ENABLED=0 GOOS=$(GOOS) GOARCH=$(GOARCH) go build -tags lambda.norpc -trimpath -ldflags "-s -w" \
	  -o "$(ARTIFACTS_DIR)/bootstrap" ./infra/examples/protected-api/recordings

# KeyStatusFunction is functions/keystatus.
build-%Function:
	@CGO_ENABLED=0 GOOS=$(GOOS) GOARCH=$(GOARCH) go build -tags lambda.norpc -trimpath -ldflags "-s -w" \
	  -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$$(echo '$*' | tr '[:upper:]' '[:lower:]')

# --- Python environments, made anew when their list changes

$(VENV)/installed: infra/local/requirements.txt
$(SAM)/installed: infra/local/requirements-sam.txt
$(VENV)/installed $(SAM)/installed:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("error: Python 3.10 or newer is needed (make PYTHON=...)")'
	@echo "installing $< into $(@D)"
	@$(PYTHON) -m venv --clear $(@D) || { echo "error: Python's venv module is needed (Debian: apt-get install python3-venv)"; exit 1; }
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
