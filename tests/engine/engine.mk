# SPDX-License-Identifier: MIT
# make check-load-once: every command from a page, in a build that counts each access to it.

.PHONY: check-load-once
check-load-once:
	$(Q)$(MAKE) --no-print-directory TRACE=1 build$(if $(findstring clang,$(CXX)),-clang)-trace/test/engine/engine_memory_test.passed
check: check-load-once
