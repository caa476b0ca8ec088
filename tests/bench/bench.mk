# SPDX-License-Identifier: MIT
# make bench: the engine beside libtpms and bare OpenSSL, then the ring beside two processes that only wake each other.

BENCH_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,$(wildcard tests/bench/*.cc) tests/engine/tpm_client.cc tests/differential/libtpms_machine.cc)
$(filter %/libtpms_machine.o $(B)/obj/tests/bench/%,$(BENCH_OBJECTS)): | build/.setup-test
$(B)/test/bench: $(BENCH_OBJECTS) $(B)/lib/libengine.a $(B)/lib/libbase.a
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -ltpms -lcrypto

RING_BENCH_OBJECTS := $(patsubst %,$(B)/obj/tests/%.o,bench/ring/main bench/ring/floor bench/ring/system_calls \
  system/stack engine/tpm_client engine/stream_transport)
$(B)/bench/ring_bench: $(RING_BENCH_OBJECTS)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto -lpthread

$(B)/bench/ring_guest: $(B)/obj/tests/bench/ring/guest.o $(B)/obj/tests/system/puppet/connect.o $(B)/lib/libfrontend.a $(B)/lib/libxen.a $(B)/lib/libbase.a
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lxenstore -lxengnttab -lxenevtchn -lfmt -lpthread

$(B)/bench/count_allocations.so: $(B)/pic/tests/bench/preload/count_allocations.o
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) -shared $(filter-out -pie,$(LDFLAGS)) -static-libstdc++ -static-libgcc -o $@ $^

.PHONY: bench
bench: all $(B)/test/bench $(B)/bench/ring_bench $(B)/bench/ring_guest $(B)/bench/count_allocations.so
	$(Q)$(B)/test/bench $(B)/bench.json
	$(Q)counts=$$(mktemp -d) && status=0 && { \
	  BENCH_ALLOCATIONS=$$counts LD_PRELOAD=$(abspath $(B)/bench/count_allocations.so) VTPM_PROGRAMS=$(abspath $(B)/bin) \
	  timeout 300 $(B)/bin/xen-loopback run -- $(B)/bench/ring_bench $(B)/bench.json || status=$$?; } ; \
	  rm -rf "$$counts"; exit $$status
