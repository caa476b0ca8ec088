# SPDX-License-Identifier: MIT
# The allow-list of system calls of vtpm-domwatch, in the form of the worker's.

DOMWATCH_SYSCALLS := $(B)/gen/backend/domwatch/syscalls.inc

$(DOMWATCH_SYSCALLS): backend/worker/policy.awk backend/domwatch/syscalls.policy
	$(call say,GEN)
	$(Q)mkdir -p $(@D)
	$(Q)awk -f $^ > $@.new && mv $@.new $@

$(B)/obj/backend/domwatch/main.o: $(DOMWATCH_SYSCALLS)
