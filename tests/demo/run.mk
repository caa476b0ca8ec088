# SPDX-License-Identifier: MIT
# make run: the main job on the loopback, in front of your eyes.

DEMO_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,tests/demo/main.cc tests/engine/tpm_client.cc tests/engine/stream_transport.cc)
$(B)/bin/vtpm-demo: $(DEMO_OBJECTS)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto

.PHONY: run
run:
	$(in_parallel) $(PROGRAMS:%=$(B)/bin/%) $(B)/bin/xen-loopback $(B)/bin/vtpm-demo
	$(Q)ONCE=$(ONCE) $(B)/bin/xen-loopback run -- tests/demo/demo.sh $(B)/bin
