# SPDX-License-Identifier: MIT
# make check-differential: one list of cases against the engine and against libtpms, answers side by side.

CASE_SOURCES := $(filter-out %/libtpms_machine.cc,$(wildcard tests/differential/*.cc)) \
  $(filter-out %_test.cc tests/engine/make_engine.cc tests/engine/engine_%.cc,$(wildcard tests/engine/*.cc))
$(B)/test/cases_libtpms: $(patsubst %.cc,$(B)/obj/%.o,$(CASE_SOURCES) tests/differential/libtpms_machine.cc) | build/.setup-test
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -ltpms -lcrypto
$(B)/test/cases_engine: $(patsubst %.cc,$(B)/obj/%.o,$(CASE_SOURCES) $(wildcard tests/engine/make_engine.cc tests/engine/engine_machine.cc)) \
  $(B)/lib/libengine.a $(B)/lib/libbase.a
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto -lfmt

# CASES=prefix runs those cases only, and prints every difference without judging it.
CASES ?=
$(B)/test/%.cases: $(B)/test/cases_%
	$(call say,CASES)
	$(Q)$< $(CASES) > $@.tmp && mv $@.tmp $@

.PHONY: check-clients check-differential
check-clients: check-differential
check-differential: $(B)/test/engine.cases $(B)/test/libtpms.cases
	$(Q)awk -v least=5000 -f tests/differential/compare.awk Documentation/deviations.md tests/differential/deviations.tsv $^
