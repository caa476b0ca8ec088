# SPDX-License-Identifier: MIT
# The chapters' tests linked with libtpms instead of the engine: proves the tests, and finds where the two differ.
LIBTPMS_OBJECTS = $(patsubst %.cc,$(B)/obj/%.o,$(filter-out tests/engine/make_engine.cc tests/engine/engine_machine.cc \
  $(wildcard tests/engine/engine_*_test.cc),$(wildcard tests/engine/*.cc)) tests/differential/libtpms_machine.cc)
$(B)/test/libtpms_chapters: $$(LIBTPMS_OBJECTS)
