# SPDX-License-Identifier: MIT
# make bench: the engine beside libtpms and bare OpenSSL, in one run.

BENCH_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,$(wildcard tests/bench/*.cc) tests/engine/tpm_client.cc tests/differential/libtpms_machine.cc)
$(filter %/libtpms_machine.o $(B)/obj/tests/bench/%,$(BENCH_OBJECTS)): | build/.setup-test
$(B)/test/bench: $(BENCH_OBJECTS) $(B)/lib/libengine.a $(B)/lib/libbase.a
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -ltpms -lcrypto

.PHONY: bench
bench: $(B)/test/bench
	$(Q)$< $(B)/bench.json
