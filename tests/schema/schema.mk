# SPDX-License-Identifier: MIT
# The reader of the schema refuses what is none, and no path of XenStore is spelled outside it.

.PHONY: check-spelled
layering: check-spelled
check-spelled:
	$(Q)tests/schema/reader_test.sh
	$(Q)tests/schema/spelled_test.sh \
	  $$(git ls-files 'lib/*' 'engine/*' 'backend/*' 'frontend/*' 'xenstore-schema/*' | grep -E '[.](h|cc)$$')
