# Everything that is done to rotatord by hand. "make help" lists it.
.DEFAULT_GOAL := help
.PHONY: help test lint build demo fuzz bench deliveries probe-matrix test-kube test-node container-test unit-test man docker clean

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 10s

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: ## all tests, with the race detector, of the nested module too
	@scripts/test $(TESTFLAGS)

lint: ## formatting, vet, golangci-lint with the import rules
	@scripts/lint

# timetzdata: time zones for CRON_TZ where the machine has no files for them. grpcnotrace: without gRPC's debug pages.
TAGS = timetzdata,grpcnotrace

build: ## a static binary, bin/rotatord
	CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -ldflags '-s -w -X main.version=$(VERSION)' -o bin/rotatord ./cmd/rotatord
	@scripts/size bin/rotatord

demo: ## see rotations succeed and fail, with nothing but Go
	@go run ./cmd/rotatord demo

fuzz: ## each fuzz target for FUZZTIME (10s)
	@scripts/fuzz $(FUZZTIME)

bench: ## all benchmarks
	@go test -run '^$$' -bench . -benchmem ./...

ROTATIONS ?= 10000

deliveries: ## deliveries through ROTATIONS (10000) simulated rotations, and what fails without the gate
	@go test -count=1 -timeout 3h -run '^(TestNoDeliveryFails|TestDeliveries.*|TestEveryLeftover.*)$$' -v ./rotation -rotations $(ROTATIONS)

probe-matrix: ## docs/probe-matrix.md anew, from what the servers of integration/ answer
	@cd integration && go test -count=1 -run '^TestProbeMatrix$$' . -update

test-kube: ## the chart's objects, given to a real API server
	@scripts/helm-tools kube-apiserver etcd crds >/dev/null && cd integration && ROTATORD_KUBE=1 go test -count=1 -run TestARealAPIServer ./helm

test-node: ## the chart on a real Kubernetes node, for a minute (root)
	@cd integration && ../scripts/kube-node go test -count=1 -run TestARealNode ./helm

container-test: ## the image, built and run without a registry (root)
	@scripts/container test

unit-test: ## the systemd unit, held to what systemd-analyze says
	@scripts/systemd

man: ## man pages of all verbs, in man/
	@go run ./cmd/rotatord man man

docker: ## the container image rotatord:VERSION
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null || echo unknown) -t rotatord:$(VERSION) .

clean: ## remove what build makes
	rm -rf bin man
