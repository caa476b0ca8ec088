# SPDX-License-Identifier: MIT
# The ring test kit, its mutants, and its runs on the loopback; Documentation/ring-testing.md.

RINGTEST_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,$(wildcard tests/ringtest/*.cc tests/ringtest/cases/*.cc) \
  $(addprefix tests/engine/,tpm_client.cc stream_transport.cc engine_machine.cc make_engine.cc))
$(B)/bin/vtpm-ringtest: $(RINGTEST_OBJECTS) $(B)/lib/libengine.a $(B)/lib/libxen.a $(B)/lib/libbase.a $(XEN_LIBS)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lxenstore -lxengnttab -lxenevtchn -lcrypto -lfmt -lpthread
all: $(B)/bin/vtpm-ringtest

# Both roles against our own halves, on the loopback. With the default time of a command the frontend does not give one up
# by itself before it is asked to end.
.PHONY: check-ringtest
check-ringtest: all
	$(call say,TEST)
	$(Q)timeout 300 tests/ringtest/frontend.sh $(abspath $(B)/bin) >$(B)/ringtest-frontend.tap || { cat $(B)/ringtest-frontend.tap; exit 1; }
	$(Q)timeout 300 tests/ringtest/backend.sh $(abspath $(B)/bin) >$(B)/ringtest-backend.tap 2>$(B)/ringtest-backend.log || { cat $(B)/ringtest-backend.tap; exit 1; }
	$(Q)timeout 300 tests/ringtest/frontend.sh $(abspath $(B)/bin) --protocol v1 >$(B)/ringtest-frontend-v1.tap || { cat $(B)/ringtest-frontend-v1.tap; exit 1; }
	$(Q)timeout 300 tests/ringtest/backend.sh $(abspath $(B)/bin) --protocol v1 >$(B)/ringtest-backend-v1.tap 2>$(B)/ringtest-backend-v1.log || { cat $(B)/ringtest-backend-v1.tap; exit 1; }
	$(Q)COMMAND_TIMEOUT=300 timeout 300 tests/ringtest/backend.sh $(abspath $(B)/bin) --case 'hostile/never-*' --case hostile/vanishes \
	  >$(B)/ringtest-ends.tap 2>>$(B)/ringtest-backend.log || { cat $(B)/ringtest-ends.tap; exit 1; }
	$(Q)timeout 300 tests/ringtest/kit_test.sh $(B)/bin >$(B)/ringtest-kit.tap 2>&1 || { cat $(B)/ringtest-kit.tap; exit 1; }
check-loopback: $(if $(SAN)$(findstring clang,$(CXX)),,check-ringtest)

# Faulty versions of our own halves: the case that each names must fail with it. All of them, and three.
.PHONY: check-mutants check-mutants-short
check-mutants: all
	$(call say,TEST)
	$(Q)timeout 900 tests/ringtest/mutants.sh $(B)
check-mutants-short: all
	$(call say,TEST)
	$(Q)timeout 300 tests/ringtest/mutants.sh $(B) back-length-trusted front-leaked-grant front-offset-16 >$(B)/mutants.tap 2>&1 || \
	  { cat $(B)/mutants.tap; exit 1; }

docs: ring-cases
check-docs: check-ring-cases
.PHONY: ring-cases check-ring-cases
ring-cases: $(B)/bin/vtpm-ringtest
	$(Q)$< --list --markdown >Documentation/ring-cases.md
check-ring-cases: $(B)/bin/vtpm-ringtest
	$(Q)$< --list --markdown | diff -u Documentation/ring-cases.md - || { echo 'Documentation/ring-cases.md is stale: make docs' >&2; exit 1; }
