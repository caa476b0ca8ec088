# SPDX-License-Identifier: MIT
# The worker's tests run the program itself, on a loopback machine inside the test.

WORKER_TESTS := $(patsubst tests/%.cc,$(B)/test/%,$(wildcard tests/worker/*_test.cc))
$(WORKER_TESTS): $(filter-out %/tests/loopback/main.o,$(LOOPBACK_OBJECTS) \
	$(patsubst %.cc,$(B)/obj/%.o,$(filter-out %_test.cc %/main.cc,$(wildcard tests/loopback/*.cc)))) \
	$(B)/lib/libxen_loopback.a | $(B)/bin/vtpmd $(B)/bin/vtpm-grantd $(if $(SAN),,$(B)/lib/libxen-loopback.so)
