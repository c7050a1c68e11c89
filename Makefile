# The commands: `make demo` shows what ZProc does, `make test` passes the tests, `make examples` runs the examples.
# They install the system packages first when they are missing.

PACKAGES := libzmq3-dev libmsgpack-dev liblmdb-dev
DEMO := .build/release/zproc-demo
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
SOURCES := Package.swift Sources Tests Docs/Examples
EXAMPLES := cookie-eater chain-reaction peanut-processor luck-test button-press \
    nested-processes remote-errors supervised-pipeline chat word-index mandelbrot page-fetcher guide-snippets

.PHONY: demo test examples bench lint packages

demo: packages
	swift build -c release --product zproc-demo
	@for backend in threads processes; do \
	    for run in hello wordcount bank; do \
	        printf '\n$$ zproc-demo %s --backend %s\n' $$run $$backend; \
	        $(DEMO) $$run --backend $$backend || exit 1; \
	    done; \
	done

# Tests that keep the whole machine busy run apart from those that wait for something with a time limit.
LONG := ChaosTests|SoakTests|LinearizableStateTests|MachineCrashTests|RandomHistoryTests|TreeKillTests

test: packages lint
	swift build --build-tests
	swift test --skip-build --skip '$(LONG)'
	swift test --skip-build --no-parallel --filter '$(LONG)'
	swift build -c release --build-tests
	swift test -c release --skip-build --skip '$(LONG)'
	swift test -c release --skip-build --no-parallel --filter '$(LONG)'

examples: packages
	swift build --package-path Docs/Examples --scratch-path .build-examples
	@for backend in processes threads; do \
	    for example in $(EXAMPLES); do \
	        printf '\n$$ %s --%s\n' $$example $$backend; \
	        .build-examples/debug/$$example --$$backend || exit 1; \
	    done; \
	done

bench: packages
	swift build -c release --product zproc-bench
	.build/release/zproc-bench

lint:
	swift format lint --strict --recursive $(SOURCES)

packages:
	@missing=; for package in $(PACKAGES); do \
	    dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	    $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q $$missing; \
	fi
