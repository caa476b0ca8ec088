# SPDX-License-Identifier: MIT
# make check-clients: TrouSerS, tpm-tools and tpm-quote-tools against vtpm-socketd.

RAW_CLIENT_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,tests/clients/main.cc tests/engine/tpm_client.cc tests/engine/stream_transport.cc)
$(B)/test/raw_client: $(RAW_CLIENT_OBJECTS)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto

check-clients: $(B)/bin/vtpm-socketd $(B)/test/raw_client | build/.setup-test
	$(call say,CLIENTS)
	$(Q)timeout 600 tests/clients/run.sh $(B)
