# SPDX-License-Identifier: MIT
# Tests on real Xen under QEMU; Documentation/testing-xen.md. XEN_TIMEOUT bounds one boot of the machine.
XEN_TIMEOUT ?= 1800
XEN_TYPES ?= pv pvh
xen_programs := $(filter %/vtpm-managerd %/vtpmd %/vtpm-grantd %/vtpm-measure %/vtpm-convert %/vtpmctl %/vtpm-domwatch %/vtpm-frontend,$(PROGRAMS:%=$(B)/bin/%))
xen_run = BIN=$(B)/bin tests/xen/run.sh

.PHONY: check-xen check-xen-long check-xen-ring run-xen
# The rig installs the packages it runs with itself, and says so.
check-xen: $(xen_programs)
	$(call say,XEN)
	$(Q)tests/xen/build.sh
	$(Q)TIMEOUT=$(XEN_TIMEOUT) $(xen_run) refused >/dev/null 2>&1; status=$$?; [ $$status = 7 ] || \
	  { echo "rig: the status of the scenario refused came through as $$status, not 7" >&2; exit 1; }
	$(Q)TIMEOUT=$(XEN_TIMEOUT) TYPES='$(XEN_TYPES)' $(xen_run) stock

# What takes longer than a change should wait for.
check-xen-long: $(xen_programs) deb
	$(call say,XEN)
	$(Q)TIMEOUT=$(XEN_TIMEOUT) $(xen_run) lifecycle
	$(Q)TIMEOUT=$(XEN_TIMEOUT) TYPES='$(XEN_TYPES)' $(xen_run) shim
	$(Q)TIMEOUT=$(XEN_TIMEOUT) TYPES='$(XEN_TYPES)' $(xen_run) measured
	$(Q)TIMEOUT=$(XEN_TIMEOUT) $(xen_run) forgery
	$(Q)TIMEOUT=$(XEN_TIMEOUT) BIN=$(B)/bin tests/xen/pair.sh move_source move_destination
	$(Q)TIMEOUT=$(XEN_TIMEOUT) PACKAGE=$(B)/deb/vtpm-xen.deb $(xen_run) package

# The ring test kit in both roles and over both versions of the ring: in a guest before our manager, in dom0 before our
# frontend in a guest.
check-xen-ring: $(xen_programs)
	$(call say,XEN)
	$(Q)TIMEOUT=$(XEN_TIMEOUT) $(xen_run) ringtest
	$(Q)TIMEOUT=$(XEN_TIMEOUT) $(xen_run) ringtest_v1
	$(Q)TIMEOUT=$(XEN_TIMEOUT) $(xen_run) ringtest_shim
	$(Q)TIMEOUT=$(XEN_TIMEOUT) $(xen_run) ringtest_shim_v1

run-xen: $(xen_programs)
	$(Q)TYPES='$(firstword $(XEN_TYPES))' $(xen_run) shell
