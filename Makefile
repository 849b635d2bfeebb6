# Sluice needs Go and nothing else to build and run. "make" alone lists what there is to make.

GO       ?= go
FUZZTIME ?= 60s
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PACKAGES := ./...

# The race detector needs a C compiler; without one the tests still run, and say so. RACE= turns it off.
ifeq ($(origin RACE),undefined)
RACE := $(if $(shell command -v $$($(GO) env CC) 2>/dev/null),-race)
endif

.DEFAULT_GOAL := help
.PHONY: help build run test lint style fuzz bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## build bin/sluice, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/sluice ./cmd/sluice

run: build ## build, then start the demo: two origins and a proxy in front of them
	bin/sluice demo

# The race detector allocates and is slow, so tests that count allocations, and all seeds of the simulator, run once
# more without it.
test: style ## gofmt, go vet, all tests with the race detector, then allocation counts without it
	$(if $(RACE),,@echo 'testing without the race detector: no C compiler, or RACE is empty')
	$(if $(RACE),CGO_ENABLED=1) $(GO) test -timeout 13m $(RACE) $(PACKAGES)
	$(if $(RACE),$(GO) test -run 'Alloc|TestSeeds' $(PACKAGES))

lint: style ## gofmt, go vet and the rules of the house (internal/tidy; part of test too)
	$(GO) test ./internal/tidy

style:
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "gofmt -w is due on: $$unformatted"; exit 1; }
	$(GO) vet $(PACKAGES)

fuzz: ## run every fuzzer for FUZZTIME each (FUZZTIME=60s)
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file name; do \
		name=$${name#func }; \
		echo "== $$name in $${file%/*} for $(FUZZTIME)"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x "$${file%/*}" </dev/null || exit 1; \
	done

bench: build ## measure against nginx and HAProxy on this machine (BENCH="--quick --only http")
	bin/sluice bench $(BENCH)

clean: ## remove what was built
	rm -rf bin
	find . -name '*.test' -type f -not -path './.git/*' -delete
