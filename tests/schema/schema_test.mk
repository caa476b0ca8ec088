# SPDX-License-Identifier: MIT
# No path of XenStore is spelled outside the schema.

.PHONY: check-spelled
layering: check-spelled
check-spelled:
	$(Q)tests/schema/spelled_test.sh $$(git ls-files 'lib/*' 'engine/*' 'backend/*' 'frontend/*' 'xenstore-schema/*' | grep -E '[.](h|cc)$$')
