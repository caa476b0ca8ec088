# SPDX-License-Identifier: MIT
# The loopback machine: its program, and the library that stands in for Xen's, preloaded or linked.

LOOPBACK_PRELOAD := $(patsubst %.cc,%.o,$(wildcard tests/loopback/preload/*.cc))

# Position-independent and without a C++ library of its own to show: it is loaded into arbitrary programs.
$(B)/pic/%.o: %.cc Makefile | build/.setup-build
	$(call say,CXX)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(filter-out -fPIE,$(CXXFLAGS)) -fPIC -fvisibility=hidden -fno-exceptions -MMD -MP -c -o $@ $<

$(B)/lib/libxen-loopback.so: $(LOOPBACK_PRELOAD:%=$(B)/pic/%)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) -shared $(filter-out -pie,$(LDFLAGS)) -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -o $@ $^

$(B)/lib/libxen_loopback.a: $(LOOPBACK_PRELOAD:%=$(B)/obj/%)
	$(call say,AR)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

LOOPBACK_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,$(filter-out %_test.cc,$(wildcard tests/loopback/*.cc)))
$(B)/bin/xen-loopback: $(LOOPBACK_OBJECTS) $(B)/lib/libxen_loopback.a | $(if $(SAN),,$(B)/lib/libxen-loopback.so)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lxenstore -lpthread

all: $(B)/bin/xen-loopback

# Its tests run the machine inside themselves, with the linked form of the library.
$(patsubst %.cc,$(B)/test/%,$(patsubst tests/%,%,$(wildcard tests/loopback/*_test.cc))): $(B)/lib/libxen_loopback.a | $(B)/bin/xen-loopback

# A program linked with the real libraries, for the preloaded form; a sanitizer's runtime does not go with that one.
$(B)/test/loopback/ping: $(B)/obj/tests/loopback/ping/main.o
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ -lxengnttab -lxenevtchn -lseccomp

.PHONY: check-loopback-stock
check-loopback: check-loopback-stock
check-loopback-stock: $(B)/bin/xen-loopback $(if $(SAN),,$(B)/test/loopback/ping)
	$(call say,TEST)
	$(Q)tests/loopback/stock_test.sh $(B)

-include $(shell find $(B)/pic -name '*.d' 2>/dev/null)
