# evotel: `make demo` runs everything, `make test` checks everything.
.DEFAULT_GOAL := help
SHELL := /bin/sh

BIN := $(CURDIR)/bin
STEP := @sh tools/step
# On Linux without cgo, whether there is a C compiler or not: all programs share
# what was compiled, and the example loop runs in an image that holds nothing else.
GOBUILD := env $(if $(filter Linux,$(shell uname)),CGO_ENABLED=0) go build -buildvcs=false -trimpath -ldflags='-s -w'
GO_SOURCES := $(shell find . -name '*.go' -not -path './build/*') go.mod go.sum
EMBEDDED := $(wildcard collector-config/*.yaml alertrules/*.yaml)

## demo: run the whole pipeline with the example loop until Ctrl-C (FAULT=collapse|stall|fail|leak|orphans|crash, PORT_OFFSET=100)
.PHONY: demo
demo: build
	@exec $(BIN)/evotel demo $(if $(FAULT),--fault $(FAULT)) $(if $(PORT_OFFSET),--port-offset $(PORT_OFFSET)) $(DEMO_FLAGS)

## test: install what tests need and run every check, ending with the real pipeline
.PHONY: test
test:
	@sh tests/install.sh
	@$(MAKE) --no-print-directory build tools
	@$(MAKE) --no-print-directory check-generated lint check-rules test-unit test-integration
	@echo "All checks have passed."

## build: the Collector, Prometheus, Alertmanager, evotel and the example loop, into bin/
.PHONY: build
build: $(BIN)/evotelcol $(BIN)/prometheus $(BIN)/alertmanager $(BIN)/evotel $(BIN)/strategyloop

## tools: what only the checks need, into bin/
.PHONY: tools
tools: $(BIN)/mdatagen $(BIN)/promtool $(BIN)/amtool $(BIN)/golangci-lint

# A failed build must not leave a target that looks made.
.DELETE_ON_ERROR:

$(BIN)/builder $(BIN)/mdatagen: tools/go.mod tools/go.sum
	$(STEP) "$(@F) (a build tool)" $(GOBUILD) -modfile=tools/go.mod -o $@ go.opentelemetry.io/collector/cmd/$(@F)

$(BIN)/prometheus $(BIN)/promtool: tools/prometheus/go.mod tools/prometheus/go.sum
	$(STEP) "$(@F) (about 2 minutes the first time)" $(GOBUILD) -modfile=tools/prometheus/go.mod -tags remove_all_sd,netgo -o $@ github.com/prometheus/prometheus/cmd/$(@F)

$(BIN)/alertmanager $(BIN)/amtool: tools/alertmanager/go.mod tools/alertmanager/go.sum
	$(STEP) "$(@F)" $(GOBUILD) -modfile=tools/alertmanager/go.mod -o $@ github.com/prometheus/alertmanager/cmd/$(@F)

$(BIN)/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	$(STEP) "$(@F) (a check)" $(GOBUILD) -modfile=tools/lint/go.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# ocb leaves a temporary folder behind, whatever it is told.
OCB_TMP := mkdir -p build/tmp && TMPDIR=$(CURDIR)/build/tmp
COLLECTOR_SOURCES := $(shell find receivers processors extensions connectors sandbox semconv -name '*.go' -not -name '*_test.go' 2>/dev/null)
$(BIN)/evotelcol: builder-config.yaml go.mod go.sum $(COLLECTOR_SOURCES) | $(BIN)/builder
	@mkdir -p build
	$(STEP) "evotelcol, the Collector (about 2 minutes the first time)" sh -c "$(OCB_TMP) $(BIN)/builder --config builder-config.yaml --skip-compilation && rm -rf build/tmp && cd build/evotelcol && $(GOBUILD) -o $@ ."

$(BIN)/evotel: $(GO_SOURCES) $(EMBEDDED)
	$(STEP) "evotel" $(GOBUILD) -o $@ ./cmd/evotel

$(BIN)/strategyloop: $(GO_SOURCES)
	$(STEP) "strategyloop, the example loop" $(GOBUILD) -o $@ ./examples/strategyloop

## generate: rewrite the files that mdatagen makes from metadata.yaml
.PHONY: generate
generate: $(BIN)/mdatagen
	@PATH="$(BIN):$$PATH" go generate ./...

.PHONY: check-generated
check-generated: $(BIN)/mdatagen
	@sh tests/check-generated.sh

## lint: gofmt, go vet and golangci-lint
.PHONY: lint
lint: $(BIN)/golangci-lint
	@echo "lint"
	@$(BIN)/golangci-lint run --allow-parallel-runners ./...

## check-rules: promtool and amtool on rules, their tests and configurations
.PHONY: check-rules
check-rules: $(BIN)/promtool $(BIN)/amtool
	@echo "rules"
	@$(BIN)/promtool check config --lint=all collector-config/prometheus.yaml
	@$(BIN)/promtool test rules alertrules/tests/*.yaml
	@$(BIN)/amtool check-config collector-config/alertmanager.yaml

## test-unit: unit tests with the race detector
.PHONY: test-unit
test-unit:
	@echo "unit tests"
	@go test -race $$(go list ./... | grep -v '/tests/')

## test-integration: the real servers, one test package after the other
.PHONY: test-integration
test-integration: build
	@echo "integration tests"
	@go test -p 1 -count=1 -timeout 20m ./tests/...

$(BIN)/dockerload-peer: tests/dockerload/builder-config.yaml tests/dockerload/tools/go.mod tests/dockerload/tools/go.sum
	@mkdir -p build
	$(STEP) "dockerload-peer, what the receiver is measured against (about 2 minutes the first time)" sh -c "$(GOBUILD) -modfile=tests/dockerload/tools/go.mod -o $(BIN)/dockerload-builder go.opentelemetry.io/collector/cmd/builder && $(OCB_TMP) $(BIN)/dockerload-builder --config tests/dockerload/builder-config.yaml --skip-compilation && rm -rf build/tmp && cd build/dockerload-peer && $(GOBUILD) -o $@ ."

## bench-docker: what watching 300 sandboxes costs, against the usual receiver (SANDBOXES=300, PERIOD=1m, SOAK=10m for memory, too)
.PHONY: bench-docker
bench-docker: $(BIN)/evotelcol $(BIN)/dockerload-peer
	@EVOTEL_DOCKERLOAD_PEER=$(BIN)/dockerload-peer EVOTEL_DOCKERLOAD_SANDBOXES=$(or $(SANDBOXES),300) EVOTEL_DOCKERLOAD_PERIOD=$(or $(PERIOD),1m) \
		EVOTEL_DOCKERLOAD_SOAK=$(SOAK) go test -count=1 -v -timeout 3h ./tests/dockerload

## bench-diversity: measure the diversity processor against numpy and scipy
.PHONY: bench-diversity
bench-diversity:
	@go run ./tests/diversitybench

## bench-overhead: what being watched costs a loop, against client_golang (OVERHEAD_TIME=5m for each length of iteration)
.PHONY: bench-overhead
bench-overhead: $(BIN)/evotelcol
	@OVERHEAD_TIME=$(or $(OVERHEAD_TIME),5m) go test -count=1 -v -timeout 60m ./tests/overhead

## clean: remove what was built
.PHONY: clean
clean:
	rm -rf bin build

## help: this list
.PHONY: help
help:
	@sed -n 's/^## //p' Makefile
