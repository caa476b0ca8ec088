# SPDX-License-Identifier: MIT
# make check-libtpms: the tests of the chapters linked with libtpms instead of the engine. It proves the tests, and finds
# where the two differ; Documentation/deviations.md says which is right.

LIBTPMS_SOURCES := $(filter-out tests/engine/make_engine.cc tests/engine/engine_%.cc,$(wildcard tests/engine/*.cc)) \
  tests/differential/libtpms_machine.cc
LIBTPMS_FILTER ?= *
$(B)/test/libtpms_chapters: $(patsubst %.cc,$(B)/obj/%.o,$(LIBTPMS_SOURCES)) | build/.setup-test
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lgtest -lgtest_main -ltpms -lcrypto

.PHONY: check-libtpms
check-libtpms: $(B)/test/libtpms_chapters
	$(Q)$< --gtest_brief=1 --gtest_filter='$(LIBTPMS_FILTER)'
