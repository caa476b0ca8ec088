# SPDX-License-Identifier: MIT
# make docs: the pages that are printed from the sources. make check-docs fails when one of them is stale.

DOCS_CLIENT := $(patsubst %.cc,$(B)/obj/%.o,$(filter-out %_test.cc,$(wildcard tests/engine/*.cc)))
DOCS_OBJECTS := $(patsubst %.cc,$(B)/obj/%.o,tests/docs/main.cc tests/docs/commands_page.cc) $(DOCS_CLIENT)
$(B)/bin/commands-page: $(DOCS_OBJECTS) $(OUR_LIBS:%=$(B)/lib/lib%.a)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(OTHER_LIBS)

.PHONY: docs check-docs
docs: $(B)/bin/commands-page
	$(Q)$< . > Documentation/commands.md
check-docs: $(B)/bin/commands-page
	$(call say,DOCS)
	$(Q)$< . > $(B)/commands.md
	$(Q)diff -u Documentation/commands.md $(B)/commands.md || { echo 'Documentation/commands.md is stale: make docs' >&2; exit 1; }
check-docs: check-man
.PHONY: check-man
check-man: all
	$(call say,DOCS)
	$(Q)tests/docs/man_pages.sh $(B)/bin
check: check-docs
