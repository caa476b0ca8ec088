# SPDX-License-Identifier: MIT
# make golden-state STATE=n: writes tests/data/state/n in the present format. A format that is checked in is never
# written again: a new one gets the next number, and its line in tests/engine/engine_golden_test.cc.

GOLDEN_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,tests/golden/main.cc $(filter-out %_test.cc,$(wildcard tests/engine/*.cc)))
$(B)/bin/golden-state: $(GOLDEN_OBJECTS) $(OUR_LIBS:%=$(B)/lib/lib%.a)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(OTHER_LIBS)

.PHONY: golden-state
golden-state: $(B)/bin/golden-state
	$(Q)test -n '$(STATE)' && test ! -e tests/data/state/$(STATE)
	$(Q)$< tests/data/state/$(STATE)
