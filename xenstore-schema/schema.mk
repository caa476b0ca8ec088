# SPDX-License-Identifier: MIT
# What is made from vtpm.schema: the header, here, and Documentation/xenstore.md, by `make docs`.

$(SCHEMA_HEADER): xenstore-schema/read.awk xenstore-schema/header.awk xenstore-schema/vtpm.schema
	$(call say,GEN)
	$(Q)mkdir -p $(@D)
	$(Q)awk -f xenstore-schema/read.awk -f xenstore-schema/header.awk xenstore-schema/vtpm.schema > $@.new && mv $@.new $@

schema_page = awk -f xenstore-schema/read.awk -f xenstore-schema/page.awk xenstore-schema/vtpm.schema
.PHONY: docs-schema check-docs-schema
docs: docs-schema
docs-schema:
	$(Q)mkdir -p $(B) && $(schema_page) > $(B)/xenstore.md && cp $(B)/xenstore.md Documentation/xenstore.md
check-docs: check-docs-schema
check-docs-schema:
	$(call say,DOCS)
	$(Q)mkdir -p $(B) && $(schema_page) > $(B)/xenstore.md
	$(Q)diff -u Documentation/xenstore.md $(B)/xenstore.md || \
	  { echo 'Documentation/xenstore.md is stale: make docs' >&2; exit 1; }
