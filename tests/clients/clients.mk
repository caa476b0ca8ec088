# SPDX-License-Identifier: MIT
# make check-clients: TrouSerS, tpm-tools, tpm-quote-tools, swtpm_ioctl and QEMU against vtpm-socketd.

RAW_CLIENT_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,$(wildcard tests/clients/*.cc) \
  $(patsubst %,tests/engine/%.cc,tpm_client stream_transport counter_client daa_client delegation_client migration_client))
RAW_CLIENT_OBJECTS := $(filter-out %/replay.o,$(RAW_CLIENT_OBJECTS))
$(B)/test/raw_client: $(RAW_CLIENT_OBJECTS)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto

$(B)/test/replay: $(B)/obj/tests/clients/replay.o
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto

$(B)/test/guest_client: $(B)/obj/tests/clients/guest/main.o $(B)/obj/tests/engine/tpm_client.o
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto

TSPI_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,$(wildcard tests/clients/tspi/*.cc) \
  $(patsubst %,tests/engine/%.cc,tpm_client audit_client migration_client))
$(TSPI_OBJECTS): | build/.setup-test
$(B)/test/tspi: $(TSPI_OBJECTS)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -ltspi -lcrypto

check-clients: $(B)/bin/vtpm-socketd $(B)/test/raw_client $(B)/test/replay $(B)/test/guest_client $(B)/test/tspi | build/.setup-test
	$(call say,CLIENTS)
	$(Q)tests/xen/build.sh machine
	$(Q)timeout 900 tests/clients/run.sh $(B)

# From swtpm to a vTPM of a guest on the loopback.
.PHONY: check-leaving
check-leaving: all $(B)/test/raw_client | build/.setup-test
	$(call say,CLIENTS)
	$(Q)timeout 300 $(B)/bin/xen-loopback run -- tests/clients/leaving/run.sh $(B)
check-clients: check-leaving
