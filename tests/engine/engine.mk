# SPDX-License-Identifier: MIT
# make check-load-once: every command from a page, in a build that counts each access to it.

.PHONY: check-load-once
check-load-once:
	$(Q)$(MAKE) --no-print-directory TRACE=1 build$(if $(findstring clang,$(CXX)),-clang)-trace/test/engine/engine_memory_test.passed
check: check-load-once

# g++ 12 sees uninitialised members in its own <regex> when it adds a sanitizer's checks.
$(B)/obj/tests/engine/commands_page_test.o: CXXFLAGS += $(if $(SAN),-Wno-maybe-uninitialized)
