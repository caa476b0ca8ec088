# SPDX-License-Identifier: MIT
# The ring test kit, its mutants, and its runs on the loopback; Documentation/ring-testing.md.

RINGTEST_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,$(wildcard tests/ringtest/*.cc tests/ringtest/cases/*.cc) \
  $(addprefix tests/engine/,tpm_client.cc stream_transport.cc engine_machine.cc make_engine.cc))
$(B)/bin/vtpm-ringtest: $(RINGTEST_OBJECTS) $(B)/lib/libengine.a $(B)/lib/libxen.a $(B)/lib/libbase.a $(XEN_LIBS)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lxenstore -lxengnttab -lxenevtchn -lcrypto -lfmt -lpthread
all: $(B)/bin/vtpm-ringtest
