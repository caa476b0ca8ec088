# SPDX-License-Identifier: MIT
# One graph. `make help` lists the targets; SAN=address,undefined or SAN=thread builds apart, as
# do TRACE=1, which counts every access to foreign memory, and MAINTENANCE=1, which adds the
# maintenance commands of Part 3, 12; V=1 shows the commands.

CXX ?= g++
SAN ?=
TRACE ?=
MAINTENANCE ?=
V ?= 0
comma := ,
variant := $(if $(findstring clang,$(CXX)),-clang)$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(TRACE),-trace)$(if $(MAINTENANCE),-maintenance)
B := build$(variant)
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(B)/%,%,$@)')

OPT ?= $(if $(SAN),-O1 -g1,-O2 -g)
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE $(if $(SAN),,-D_FORTIFY_SOURCE=2) $(if $(TRACE),-DFOREIGN_BYTES_TRACE) $(if $(MAINTENANCE),-DWITH_MAINTENANCE)
# g++ 12 misjudges word-wise copies that it has inlined: -Wno-array-bounds, -Wno-stringop-overflow; and what a sanitizer's
# checks have pulled apart: -Wno-maybe-uninitialized.
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-missing-field-initializers -Wno-array-bounds $(if $(findstring clang,$(CXX)),,-Wno-stringop-overflow -Wno-stringop-overread$(if $(SAN), -Wno-maybe-uninitialized)) -Werror
CXXFLAGS += -std=gnu++20 $(OPT) $(WARN) -fstack-protector-strong -fPIE $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
# What is on the way of a command. Elsewhere g++ 12's -Wrestrict misfires at -O3.
$(foreach d,engine lib/base lib/wire,$(B)/obj/$(d)/%.o): CXXFLAGS += $(if $(SAN),,-O3)
LDFLAGS += -pie -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN))
NO_EXCEPTIONS := lib engine backend/ring backend/trace backend/worker backend/grantd

sources = $(filter-out %/main.cc,$(foreach d,$(1),$(wildcard $(d)/*.cc)))
objects = $(patsubst %.cc,$(B)/obj/%.o,$(call sources,$(1)))

SCHEMA_HEADER := $(B)/gen/xenstore-schema/vtpm.h

# Libraries: name, folders.
LIBS := base xen schema engine backend frontend
base_DIRS := lib/base
xen_DIRS := lib/xen
schema_DIRS := xenstore-schema
engine_DIRS := engine engine/spec engine/crypto engine/state engine/dispatch engine/commands
backend_DIRS := backend/ring backend/trace backend/identity backend/worker backend/manager backend/vault backend/control backend/socket backend/domwatch backend/measure backend/grantd backend/convert
frontend_DIRS := frontend

# Programs: name, main file, libraries of ours in link order, libraries of others.
p_main_vtpm-managerd := backend/manager/main.cc
p_main_vtpmd := backend/worker/main.cc
p_main_vtpmctl := backend/control/main.cc
p_main_vtpm-socketd := backend/socket/main.cc
p_main_vtpm-domwatch := backend/domwatch/main.cc
p_main_vtpm-grantd := backend/grantd/main.cc
p_main_vtpm-measure := backend/measure/main.cc
p_main_vtpm-convert := backend/convert/main.cc
p_main_vtpm-frontend := frontend/main.cc
PROGRAMS := vtpm-managerd vtpmd vtpm-grantd vtpm-measure vtpm-convert vtpmctl vtpm-socketd vtpm-domwatch vtpm-frontend
OUR_LIBS := frontend backend engine schema xen base
# A sanitizer's runtime and a preloaded library do not go together: these builds have the loopback inside.
XEN_LIBS := $(if $(SAN),$(B)/lib/libxen_loopback.a)
OTHER_LIBS := -lsqlite3 -lxenstore -lxengnttab -lxenevtchn -lxenctrl -lseccomp -lcrypto -lfmt -lpthread -ldl

.PHONY: all help
all: $(PROGRAMS:%=$(B)/bin/%)

help:
	@echo 'make            build everything into $(B)/'
	@echo 'make run        the whole stack on this machine, without Xen; ONCE=1 exits after the demonstration'
	@echo 'make run-xen    the same on real Xen in QEMU; ends in a shell in the guest'
	@echo 'make check      all tests; parts: check-unit check-loopback check-clients check-xen'
	@echo 'make bench fuzz soak coverage tidy format layering docs install deb clean'

-include $(wildcard *.mk tests/*/*.mk backend/*/*.mk xenstore-schema/*.mk)

.SECONDARY: build/.setup-build build/.setup-test
# What a fresh Debian machine lacks; said and installed before anything is compiled.
build/.setup-%: .ci/packages
	$(Q).ci/setup $*
	$(Q)mkdir -p build && touch $@

$(B)/obj/%.o: %.cc Makefile | build/.setup-build $(SCHEMA_HEADER)
	$(call say,CXX)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) $(if $(filter $(addsuffix /%,$(NO_EXCEPTIONS)),$<),-fno-exceptions) -MMD -MP -c -o $@ $<

define library
$(B)/lib/lib$(1).a: $(call objects,$($(1)_DIRS))
	$$(call say,AR)
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach l,$(LIBS),$(eval $(call library,$(l))))

define program
$(B)/bin/$(1): $(patsubst %.cc,$(B)/obj/%.o,$(p_main_$(1))) $(OUR_LIBS:%=$(B)/lib/lib%.a) $(XEN_LIBS)
	$$(call say,LINK)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CXX) $$(LDFLAGS) -o $$@ $$^ $(OTHER_LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# Unit tests: every tests/DIR/*_test.cc is a program; the other files of DIR are linked into each of them.
TESTS := $(patsubst tests/%.cc,$(B)/test/%,$(wildcard tests/*/*_test.cc))
test_helpers = $(patsubst %.cc,$(B)/obj/%.o,$(filter-out %_test.cc %/main.cc,$(wildcard $(1)/*.cc)))
define unit_test
$(B)/test/$(1): $(B)/obj/tests/$(1).o $(call test_helpers,tests/$(patsubst %/,%,$(dir $(1)))) $(OUR_LIBS:%=$(B)/lib/lib%.a)
	$$(call say,LINK)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CXX) $$(LDFLAGS) -o $$@ $$^ -lgtest -lgtest_main $$(TEST_LIBS) $(OTHER_LIBS)
endef
$(foreach t,$(TESTS:$(B)/test/%=%),$(eval $(call unit_test,$(t))))

$(B)/test/%.passed: $(B)/test/%
	$(call say,TEST)
	$(Q)$< --gtest_brief=1 && touch $@

# Programs are built by all processors, also when make was not told so; tests run one after another.
in_parallel = +$(Q)$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
.PHONY: built
built:
	$(in_parallel) all $(TESTS)

.PHONY: check check-unit check-loopback check-clients check-xen layering
check-unit: $(TESTS:%=%.passed)
check: built layering deb check-unit check-loopback check-clients check-xen
	@echo 'check: everything passed'

# What needs no Xen, once more as another compiler and the sanitizers see it.
VARIANTS := CXX=clang++ SAN=address,undefined
.PHONY: check-variants
check-variants:
	$(Q)for v in $(VARIANTS); do $(MAKE) --no-print-directory $$v all check-unit && $(MAKE) --no-print-directory -j1 $$v check-loopback || exit; done

# Who may include whom: "folders : folders they may include". Documentation/architecture.md draws it.
layering:
	$(Q)awk -f tests/layering.awk $$(git ls-files 'lib/*' 'engine/*' 'backend/*' 'frontend/*' 'xenstore-schema/*' | grep -E '[.](h|cc)$$')

.PHONY: deb tidy
deb: all
	$(Q)rm -rf $(B)/deb && mkdir -p $(B)/deb
	$(Q)$(MAKE) --no-print-directory install DESTDIR=$(abspath $(B)/deb/tree) >$(B)/deb/install.log
	$(Q)hotplug/make-deb.sh $(abspath $(B)/deb/tree) $(abspath $(B)/deb/vtpm-xen.deb) $(VERSION)
	$(Q)tests/install.sh $(B)/deb/vtpm-xen.deb
	@echo $(B)/deb/vtpm-xen.deb
tidy:
	clang-tidy --quiet $$(git ls-files 'lib/*.cc' 'engine/*.cc' 'backend/*.cc' 'frontend/*.cc' 'xenstore-schema/*.cc') -- $(CPPFLAGS) -std=gnu++20

VERSION = $(shell sed -n 's/.*kVersion = "\(.*\)".*/\1/p' lib/base/version.h)

.PHONY: install
install: all
	install -d $(DESTDIR)/usr/sbin $(DESTDIR)/usr/libexec/vtpm
	install -m 755 $(filter %/vtpm-managerd %/vtpmctl %/vtpm-domwatch %/vtpm-socketd %/vtpm-frontend,$(PROGRAMS:%=$(B)/bin/%)) $(DESTDIR)/usr/sbin
	install -m 755 $(filter %/vtpmd %/vtpm-grantd %/vtpm-measure %/vtpm-convert,$(PROGRAMS:%=$(B)/bin/%)) $(DESTDIR)/usr/libexec/vtpm
	install -D -m 644 backend/control/vtpmctl.8 $(DESTDIR)/usr/share/man/man8/vtpmctl.8
	install -D -m 644 backend/control/vtpmctl.bash $(DESTDIR)/usr/share/bash-completion/completions/vtpmctl
	install -m 644 backend/manager/vtpm-managerd.8 backend/domwatch/vtpm-domwatch.8 backend/grantd/vtpm-grantd.8 backend/socket/vtpm-socketd.8 frontend/vtpm-frontend.8 $(DESTDIR)/usr/share/man/man8
	install -D -m 644 hotplug/vtpm-managerd.service $(DESTDIR)/usr/lib/systemd/system/vtpm-managerd.service
	install -m 644 hotplug/vtpm-domwatch.service hotplug/vtpm-frontend.service $(DESTDIR)/usr/lib/systemd/system
	install -D -m 644 hotplug/vtpm-managerd.conf $(DESTDIR)/etc/vtpm/vtpm-managerd.conf
	install -D -m 755 hotplug/vtpm $(DESTDIR)/etc/xen/scripts/vtpm
	install -D -m 755 hotplug/vtpm-migrate-ssh $(DESTDIR)/usr/bin/vtpm-migrate-ssh
	install -D -m 755 hotplug/vtpm-managerd.init $(DESTDIR)/etc/init.d/vtpm-managerd
	install -D -m 755 hotplug/initramfs/hook $(DESTDIR)/usr/share/vtpm/initramfs-tools/hooks/vtpm
	install -D -m 755 hotplug/initramfs/script $(DESTDIR)/usr/share/vtpm/initramfs-tools/scripts/init-premount/vtpm

.PHONY: clean format
clean:
	rm -rf build build-*
format:
	clang-format -i $$(git ls-files '*.h' '*.cc')

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
