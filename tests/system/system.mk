# SPDX-License-Identifier: MIT
# Scenarios of the whole stack: one test program in dom0 of a loopback machine, with the real programs.

SYSTEM_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,$(wildcard tests/system/*.cc) tests/engine/tpm_client.cc tests/engine/stream_transport.cc tests/engine/nv_client.cc tests/engine/counter_client.cc)
$(B)/system/scenarios: $(SYSTEM_OBJECTS) $(B)/lib/libxen.a $(B)/lib/libbase.a $(XEN_LIBS)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lgtest -lgtest_main -lsqlite3 -lxenstore -lxenctrl -lxengnttab -lxenevtchn -lcrypto -lpthread

# The frontend that the scenarios put words in the mouth of.
$(B)/system/puppet: $(B)/obj/tests/system/puppet/main.o $(B)/obj/tests/system/puppet/connect.o $(B)/lib/libfrontend.a $(B)/lib/libxen.a $(B)/lib/libbase.a $(XEN_LIBS)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lxenstore -lxengnttab -lxenevtchn -lfmt -lpthread

# The worker that has been taken over.
$(B)/system/liar: $(B)/obj/tests/system/liar/main.o $(B)/lib/libbase.a
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lfmt

.PHONY: check-system
check-system: all $(B)/system/scenarios $(B)/system/puppet $(B)/system/liar $(B)/test/replay
	$(call say,TEST)
	$(Q)VTPM_PROGRAMS=$(abspath $(B)/bin) timeout $(if $(SAN),1800,600) $(B)/bin/xen-loopback run -- $(B)/system/scenarios --gtest_brief=1 $(GTEST)
check-loopback: check-system

# The long versions; KILLS, SEED and INSTANCES set their size.
.PHONY: soak
soak: all $(B)/system/scenarios
	$(call say,TEST)
	$(Q)VTPM_PROGRAMS=$(abspath $(B)/bin) KILLS=$(or $(KILLS),1000) SEED=$(or $(SEED),1) INSTANCES=$(or $(INSTANCES),1000) timeout 21600 \
	  $(B)/bin/xen-loopback run -- $(B)/system/scenarios --gtest_filter='Kills.*:Density.*'
