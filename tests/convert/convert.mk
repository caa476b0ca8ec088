# SPDX-License-Identifier: MIT
# The tests of backend/convert have the client of the engine's tests, whose machine is libtpms here.

CONVERT_TESTS := $(patsubst tests/%.cc,$(B)/test/%,$(wildcard tests/convert/*_test.cc))
CONVERT_CLIENT := $(patsubst %.cc,$(B)/obj/%.o,tests/differential/libtpms_machine.cc \
  $(filter-out %_test.cc tests/engine/make_engine.cc,$(wildcard tests/engine/*.cc)))
$(CONVERT_TESTS): $(CONVERT_CLIENT) | build/.setup-test
$(CONVERT_TESTS): TEST_LIBS := -ltpms
