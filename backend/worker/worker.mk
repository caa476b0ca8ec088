# SPDX-License-Identifier: MIT
# The worker's allow-list of system calls, from its policy.

SYSCALLS := $(B)/gen/backend/worker/syscalls.inc

$(SYSCALLS): backend/worker/policy.awk backend/worker/syscalls.policy
	$(call say,GEN)
	$(Q)mkdir -p $(@D)
	$(Q)awk -f $^ > $@.new && mv $@.new $@

$(B)/obj/backend/worker/lockdown.o: $(SYSCALLS)
