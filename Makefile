# stackctl: `make` builds, `make test` tests, `make demo` shows it. `make help` lists all.
SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
KUBERNETES = $(shell go list -C cmd/stackctl-local -m -f '{{.Version}}' k8s.io/kubernetes)
LOCAL_LDFLAGS = -s -w -X k8s.io/component-base/version.gitVersion=$(KUBERNETES) -X k8s.io/client-go/pkg/version.gitVersion=$(KUBERNETES)
# The same settings for build, vet and test, or Go compiles Kubernetes twice.
LOCAL_GO = CGO_ENABLED=0 GOFLAGS="$(shell go env GOFLAGS) -trimpath" go
# The race detector needs a C compiler.
RACE := $(if $(shell command -v $${CC:-cc}),-race)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
SOURCES := $(shell find cmd schema render apply -name '*.go' -not -path 'cmd/stackctl-local/*' -o -name '*.cue' -not -path 'cmd/stackctl-local/*')
LOCAL_SOURCES := $(shell find cmd/stackctl-local -type f)

.PHONY: all build local test permissions torture check bench update demo local-up local-down clean help
all: build

build: bin/stackctl ## build bin/stackctl
local: bin/stackctl-local ## build bin/stackctl-local, a local control plane (about 6 minutes the first time)

bin/stackctl: $(SOURCES) go.mod go.sum
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/stackctl

# A nested module is invisible to ./cmd/... of the root.
bin/stackctl-local: $(LOCAL_SOURCES)
	@echo "building a local Kubernetes control plane: about 6 minutes the first time" >&2
	$(LOCAL_GO) build -C cmd/stackctl-local -o ../../$@.new -ldflags '$(LOCAL_LDFLAGS)' .
	mv $@.new $@

# What -short leaves out is only each command with one right less: make permissions.
test: local ## run all tests, on a real control plane
	$(LOCAL_GO) test -C cmd/stackctl-local ./...
	STACKCTL_CONTROL_PLANE=required go test $(RACE) -parallel 4 -timeout 40m $$(go list ./... | grep -v -e /torture -e cmd/stackctl$$)
	STACKCTL_CONTROL_PLANE=required go test $(RACE) -short -parallel 4 -timeout 40m ./cmd/stackctl
	SEED=1 STACKCTL_CONTROL_PLANE=required go test -parallel 4 -timeout 20m ./apply/torture # drives processes: no race of theirs would be seen

permissions: local ## each command with exactly its rights, and with each of them less (minutes)
	STACKCTL_CONTROL_PLANE=required go test -count=1 -parallel 4 -timeout 60m -run TestPermissions ./cmd/stackctl

check: ## formatting, vet, staticcheck, tidy modules, no drift of generated files
	@test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)" || { echo 'run: gofmt -w .' >&2; exit 1; }
	go mod verify
	go mod tidy -diff
	cd cmd/stackctl-local && go mod tidy -diff
	go vet ./...
	$(LOCAL_GO) vet -C cmd/stackctl-local ./...
	go run $(STATICCHECK) ./... # not for stackctl-local: it would analyse all of Kubernetes

CAMPAIGN ?= .*
# One campaign at its full length: make torture CAMPAIGN=Kill TRIALS=1000 SEED=7
torture: local ## break the program on purpose; CAMPAIGN, TRIALS and SEED choose how
	STACKCTL_CONTROL_PLANE=required TORTURE_RESULTS=$(CURDIR)/testdata/torture/RESULTS.md \
		$(if $(TRIALS),TRIALS=$(TRIALS)) $(if $(SEED),SEED=$(SEED)) \
		go test ./apply/torture -count=1 -v -timeout 0 -run '^TestTorture(?i:$(CAMPAIGN))$$' | grep --line-buffered -vE '^ *(=== |--- (PASS|SKIP))'; exit $${PIPESTATUS[0]}

BENCH_RUNS ?= 9
KUBECTL ?= kubectl
# Rivals are those of helm, kustomize, cue and kubectl on the PATH; LARGE=1 adds 10,000 objects.
bench: build local ## benchmarks, the comparison with others, and the growth chart (an hour; wants a quiet machine)
	@mkdir -p testdata/bench
	STACKCTL_CONTROL_PLANE=required go test -run '^$$' -bench . -benchmem -count 6 ./schema ./render ./apply ./cmd/internal/ui | tee testdata/bench/go.txt
	go run ./bench -stackctl bin/stackctl -local bin/stackctl-local -kubectl $(KUBECTL) -runs $(BENCH_RUNS) $(if $(LARGE),-large) | tee testdata/bench/comparison.md
	go run ./bench -stackctl bin/stackctl -runs $(BENCH_RUNS) -growth docs/growth.svg | tee testdata/bench/growth.txt

update: local ## rewrite the golden files; read the diff before you commit it
	STACKCTL_UPDATE=1 go test ./...

demo: build local ## the whole story on a local control plane
	examples/recipes/demo.sh

local-up: local ## start a local control plane
	bin/stackctl-local up

local-down: ## end it
	bin/stackctl-local down

clean: ## remove what was built
	rm -rf bin

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14
