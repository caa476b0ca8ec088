# SPDX-License-Identifier: MIT
# The allow-list of system calls of each confined program, from its policy.

$(B)/gen/%/syscalls.inc: backend/worker/policy.awk %/syscalls.policy
	$(call say,GEN)
	$(Q)mkdir -p $(@D)
	$(Q)awk -f $^ > $@.new && mv $@.new $@

$(B)/obj/backend/worker/lockdown.o: $(B)/gen/backend/worker/syscalls.inc
$(B)/obj/backend/domwatch/main.o: $(B)/gen/backend/domwatch/syscalls.inc
$(B)/obj/backend/measure/main.o: $(B)/gen/backend/measure/syscalls.inc
$(B)/obj/backend/grantd/main.o: $(B)/gen/backend/grantd/syscalls.inc
$(B)/obj/backend/convert/main.o: $(B)/gen/backend/convert/syscalls.inc
