# Weft's front door: `make` alone says what there is. The building itself is CMakeLists.txt's.
MAKEFLAGS += --no-print-directory --no-builtin-rules
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ARGS ?=
FUZZ_SECONDS ?= 600
# A seed alone is one to look at; with a number of seeds it is the first of them.
ONE_SEED := $(if $(SEEDS),,$(SEED))
SEED ?= 1
SEEDS ?= 100
C_FILES = $(shell git ls-files --cached --others --exclude-standard 'src/*.[ch]' 'src/*.cpp' 'sim/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]')
CTEST = UBSAN_OPTIONS=print_stacktrace=1 ctest --output-on-failure --no-tests=error -j $(JOBS)
# libllama is not built for ThreadSanitizer, so what its own threads do is not judged. And a loop without a call never
# hears a signal under it, which is what the guard's test is about; and a child may make no threads, as the sandbox's does.
TSAN_CTEST = TSAN_OPTIONS=ignore_noninstrumented_modules=1 $(CTEST)
# What `make test` leaves to `make check` (it needs more tools, a sanitizer or the second model), and to check-external.
LATER = ^(differential|external|gemma|malformed|fuzz)$$

# $(call build,PRESET,OPTIONS): cmake says nothing unless something is wrong.
define build
@mkdir -p build && { cmake --preset $(1) >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }; }
@cmake --build --preset $(1) -j $(JOBS) $(2)
endef

.PHONY: help
help:
	@echo 'Weft: a private model server that joins others into a mesh.'
	@echo
	@echo '  make run      install what is missing, build, start a node (ARGS="--port 8080" goes to weft up)'
	@echo '  make test     install what is missing, build, run every test that must pass'
	@echo '  make check    the slow judges: sanitizers, fuzz corpora, clang-tidy, cppcheck, other servers'
	@echo '  make bench    measure the node beside nginx, the engine beside llama-server, both beside what they were, and the mesh'
	@echo '  make scale    measure a mesh of 10,000 nodes and 50 gateways on a fake clock (docs/SCALE.md)'
	@echo '  make planted  put known bugs into a copy of the sources: each must make a test fail'
	@echo '  make sim      play SEEDS seeds in the simulator ($(SEEDS)); SEED=N alone plays that one, and shows it in build/'
	@echo '  make soak     3,000 seeds in the simulator, 500 faults of engines and 40 of nodes, each fuzz target for FUZZ_SECONDS ($(FUZZ_SECONDS))'
	@echo
	@echo '  make setup    only install what building and testing need'
	@echo '  make format   lay out the C files (clang-format)'
	@echo '  make clean    remove build/'
	@echo
	@echo 'One test:  make test TEST=unit_http_h1      One judge:  make check-asan (or -static -tsan -fuzz -differential -gemma -external)'
	@echo 'The rooms of the house are in docs/ARCHITECTURE.md, its rules in CONTRIBUTING.md.'

# -- setup: a stamp for each tier, so that the second time nothing is looked up or fetched --

.PHONY: setup asked
asked: # for another libllama, by the environment: set-up looks again
setup:
	@scripts/setup test
	@mkdir -p build && touch build/setup.run build/setup.test

build/setup.%: scripts/setup scripts/fetch-llama scripts/fetch-model scripts/llama.lock \
		$(wildcard scripts/requirements-*.txt) tests/package-lock.json $(if $(WEFT_ACCELERATOR)$(WEFT_LLAMA),asked)
	@scripts/setup $*
	@mkdir -p build && touch $@

# -- build and run --

.PHONY: release run
release:
	$(call build,release)

run: build/setup.run release
	build/release/weft up --models-folder "$${WEFT_MODELS_FOLDER:-models}" $(ARGS)

# -- tests --

.PHONY: test check check-static check-asan check-tsan check-fuzz check-differential check-gemma check-external
test: build/setup.test release
	$(CTEST) --test-dir build/release -LE '$(LATER)' $(if $(TEST),-R '$(TEST)')

check: check-static check-asan check-tsan check-fuzz check-differential check-gemma

check-static: build/setup.check release
	@echo '== clang-tidy =='
	@git ls-files 'src/*.c' 'sim/*.c' | xargs -P $(JOBS) -n 1 clang-tidy-14 -p build/release --quiet 2>build/clang-tidy.log \
		|| { grep -v 'warnings\? generated' build/clang-tidy.log; exit 1; }
	@echo '== cppcheck =='
	@cppcheck -j $(JOBS) --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--library=scripts/cppcheck.cfg --suppressions-list=scripts/cppcheck-suppressions.txt -D_GNU_SOURCE -I src -I . src sim

# Of the engine's tests it leaves out those that measure, and those that ask our own code nothing that others do not.
check-asan: build/setup.check
	@echo '== tests under AddressSanitizer and UBSan =='
	$(call build,asan)
	$(CTEST) --test-dir build/asan -LE '^(differential|external|fault|fuzz|gemma|tidy|tools)$$' \
		-E '^engine_(estimate|idle|openai|private|run|schema|stop)$$'

check-tsan: build/setup.check
	@echo '== what has threads, under ThreadSanitizer =='
	$(call build,tsan,--target threaded)
	$(TSAN_CTEST) --test-dir build/tsan -L '^(threaded|cli)$$' -E '^unit_engine_(guard|sandbox)$$'

check-fuzz: build/setup.check
	@echo '== fuzz corpora under AddressSanitizer and UBSan =='
	$(call build,fuzz,--target fuzzers)
	$(CTEST) --test-dir build/fuzz -L '^fuzz$$'

check-differential: build/setup.check release
	@echo '== beside other implementations =='
	$(CTEST) --test-dir build/release -L '^differential$$'

check-gemma: build/setup.check release
	@echo '== the engine with its second model =='
	$(CTEST) --test-dir build/release -L '^gemma$$'

# Not in `check`: the first time it builds llama-server, as the bench does.
check-external: build/setup.bench release
	@echo '== beside a real llama-server =='
	@bench/llama-server >/dev/null
	$(CTEST) --test-dir build/release -L '^external$$'

# -- figures, seeds, long searches --

.PHONY: sim bench scale planted soak
sim: build/setup.test release
	build/release/weft-sim --seed $(SEED) $(if $(ONE_SEED),--view build,--seeds $(SEEDS)) $(ARGS)

bench: build/setup.bench release
	bench/http $(ARGS)
	@bench/llama-server >/dev/null
	bench/engine $(ARGS)
	bench/lasting $(ARGS)
	bench/mesh $(ARGS)

scale: build/setup.test release
	bench/scale $(ARGS)

planted: build/setup.test
	tests/planted/planted $(ARGS)

soak: build/setup.check release
	$(call build,fuzz,--target fuzzers)
	build/release/weft-sim --seed 1 --seeds 1000
	build/release/weft-sim --scenario lasting --seed 1001 --seeds 1000
	build/release/weft-sim --scenario mesh --seed 1001 --seeds 1000
	FAULT_ROUNDS=500 python3 tests/fault/engine_test.py
	FAULT_ROUNDS=500 python3 tests/fault/exact_test.py
	MESH_ROUNDS=40 python3 tests/fault/mesh_test.py
	scripts/fuzz $(FUZZ_SECONDS)

# -- the rest --

.PHONY: format clean
format: build/setup.test
	@.venv/bin/clang-format -i $(C_FILES)

clean:
	rm -rf build
