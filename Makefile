# The commands: `make demo` shows what ZProc does, `make test` passes the tests, `make examples` runs the examples.
# They install the system packages first when they are missing.

PACKAGES := libzmq3-dev libmsgpack-dev liblmdb-dev
DEMO := .build/release/zproc-demo
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
SOURCES := Package.swift Sources Tests Plugins Docs/Examples
EXAMPLES := cookie-eater chain-reaction peanut-processor luck-test button-press \
    nested-processes remote-errors supervised-pipeline chat word-index mandelbrot page-fetcher guide-snippets

.PHONY: demo test examples fuzz bench lint packages

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

# All tests at once would be hundreds of contexts at once, and those that wait for something would wait for the others.
WIDTH := $(shell swift test --help-hidden 2>/dev/null | grep -q experimental-maximum-parallelization-width \
    && echo --experimental-maximum-parallelization-width 4)

test: packages lint
	swift build --build-tests
	swift test --skip-build $(WIDTH) --skip '$(LONG)'
	swift test --skip-build --no-parallel --filter '$(LONG)'
	swift build -c release --build-tests
	swift test -c release --skip-build $(WIDTH) --skip '$(LONG)'
	swift test -c release --skip-build --no-parallel --filter '$(LONG)'

examples: packages
	swift build --package-path Docs/Examples --scratch-path .build-examples
	@for backend in processes threads; do \
	    for example in $(EXAMPLES); do \
	        printf '\n$$ %s --%s\n' $$example $$backend; \
	        .build-examples/debug/$$example --$$backend || exit 1; \
	    done; \
	done

# Random and mutated input, guided by coverage, for FUZZ_SECONDS each. What breaks something is left as crash-*;
# `.build-fuzz/debug/zproc-fuzz TARGET FILE` does it again.
FUZZ_SECONDS ?= 10
# 0 for another one each time.
FUZZ_SEED ?= 0
FUZZ_TARGETS ?= messagepack envelope hub text
# LeakSanitizer does not see where Swift keeps the tables of weak references, and takes them for leaks.
FUZZ := SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 .build-fuzz/debug/zproc-fuzz
FUZZ_BUILD := swift build --package-path Tests/Fuzzing --scratch-path .build-fuzz \
    --sanitize fuzzer --sanitize address -Xswiftc -O -Xcc -O1 -Xswiftc -use-ld=lld \
    $(foreach flag,inline-8bit-counters pc-table,-Xswiftc -Xllvm -Xswiftc -sanitizer-coverage-$(flag)=1)
FUZZ_RUNTIME := $(shell find -L "$$(dirname "$$(readlink -f "$$(command -v swift)")")/../lib/clang" \
    -name 'libclang_rt.fuzzer-*.a' 2>/dev/null | head -n 1)

fuzz: packages
ifeq ($(FUZZ_RUNTIME),)
	@echo 'fuzz: skipped, because this toolchain has no libclang_rt.fuzzer'
else
	$(FUZZ_BUILD)
	@for target in $(FUZZ_TARGETS); do \
	    printf '\nfuzz %s\n' $$target; \
	    mkdir -p .build-fuzz/found/$$target; \
	    $(FUZZ) $$target -max_total_time=$(FUZZ_SECONDS) -seed=$(FUZZ_SEED) -max_len=1024 -timeout=20 -rss_limit_mb=3000 \
	        -print_final_stats=1 -verbosity=0 -dict=Tests/Fuzzing/$$target.dict \
	        .build-fuzz/found/$$target Tests/Fuzzing/Corpus/$$target || exit 1; \
	done
endif

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
