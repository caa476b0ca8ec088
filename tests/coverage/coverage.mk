# SPDX-License-Identifier: MIT
# make coverage: which lines of engine/ the unit tests execute, by file and in all. COVERAGE_MIN=92 fails below that;
# COVERAGE_SHOW=FILE prints the lines of FILE that no test reached.

COVERAGE_MIN ?= 0
COVERAGE_SHOW ?=
COVERAGE_BUILD := build-coverage
# Not from TESTS, which the Makefile sets later.
COVERAGE_TESTS := $(patsubst tests/%.cc,$(B)/test/%,$(wildcard tests/engine/*_test.cc tests/base/*_test.cc))

.PHONY: coverage coverage-run
coverage: | build/.setup-build
	$(Q)LDFLAGS=--coverage $(MAKE) --no-print-directory B=$(COVERAGE_BUILD) OPT='-Og -g --coverage' coverage-run
# The counters add up from run to run: they start at nothing, and every test runs.
coverage-run: $(COVERAGE_TESTS)
	$(Q)find $(B)/obj -name '*.gcda' -delete
	$(Q)for t in $(COVERAGE_TESTS); do $$t --gtest_brief=1 > $(B)/coverage.log 2>&1 || { cat $(B)/coverage.log; exit 1; }; done
	$(Q)find $(B)/obj/engine $(B)/obj/tests/engine -name '*.gcda' -exec gcov -t {} + 2> /dev/null | \
	  awk -v least=$(COVERAGE_MIN) -v show='$(COVERAGE_SHOW)' -f tests/coverage/lines.awk
