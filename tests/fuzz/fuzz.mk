# SPDX-License-Identifier: MIT
# make fuzz FUZZ_SECONDS=n: each target for n seconds, from the corpus in the tree; FUZZ_TARGETS=... runs some of them.
# make check-fuzz: the corpus alone, once. make fuzz-seeds: the corpus anew, from the catalogue, minimised.
# All of it with clang, AddressSanitizer and UndefinedBehaviorSanitizer, in a build folder of its own.

FUZZ_TARGETS ?= command snapshot structures page legacy control
FUZZ_SECONDS ?= 60
FUZZ_SAN := fuzzer-no-link,address,undefined
FUZZ_BUILD := build-clang-$(subst $(comma),-,$(FUZZ_SAN))
FUZZ_LENGTH_command := 4096
FUZZ_LENGTH_snapshot := 16384
FUZZ_LENGTH_structures := 4096
FUZZ_LENGTH_page := 8192
FUZZ_LENGTH_legacy := 8192
FUZZ_LENGTH_control := 4096
FUZZ_FOUND ?= build/fuzz
fuzz_flags = -max_len=$(FUZZ_LENGTH_$(1)) -timeout=60 -rss_limit_mb=2560 -artifact_prefix=$(FUZZ_FOUND)/$(1)- -print_final_stats=1
# The compiler's cache stays in front of clang++, if there is one.
FUZZ_CXX := $(if $(filter ccache,$(firstword $(CXX))),ccache )clang++

FUZZ_HELPERS := $(patsubst %.cc,$(B)/obj/%.o,$(filter-out %_test.cc,$(wildcard tests/engine/*.cc)))
define fuzz_target
$(B)/fuzz/$(1): $(B)/obj/tests/fuzz/$(1).o $(if $(filter command,$(1)),$(B)/obj/tests/fuzz/script.o) $(FUZZ_HELPERS) $(OUR_LIBS:%=$(B)/lib/lib%.a) $(XEN_LIBS)
	$$(call say,LINK)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CXX) $$(LDFLAGS) -fsanitize=$(if $(filter seeds,$(1)),address,fuzzer) -o $$@ $$^ $$(OTHER_LIBS)
endef
$(foreach t,command snapshot structures page legacy control seeds,$(eval $(call fuzz_target,$(t))))

.PHONY: fuzz fuzz-run check-fuzz fuzz-check-run fuzz-seeds fuzz-seeds-run
fuzz check-fuzz fuzz-seeds: | build/.setup-test
	$(Q)LDFLAGS=-fno-sanitize-recover=undefined CXXFLAGS=-fno-sanitize-recover=undefined \
	  $(MAKE) --no-print-directory CXX='$(FUZZ_CXX)' SAN=$(FUZZ_SAN) $(if $(filter fuzz,$@),fuzz-run,$(if $(filter check-fuzz,$@),fuzz-check-run,fuzz-seeds-run))
fuzz-run: $(FUZZ_TARGETS:%=fuzz-run-%)
fuzz-run-%: $(B)/fuzz/%
	$(Q)mkdir -p $(FUZZ_FOUND)/$*
	$(Q)$< $(call fuzz_flags,$*) -max_total_time=$(FUZZ_SECONDS) $(FUZZ_FOUND)/$* $(wildcard tests/fuzz/corpus/$*) \
	  > $(FUZZ_FOUND)/$*.log 2>&1 || { tail -40 $(FUZZ_FOUND)/$*.log; exit 1; }
	$(Q)awk '/number_of_executed_units|average_exec/ { print "fuzz: $* " $$0 } /DONE/ { print "fuzz: $* " $$0 }' $(FUZZ_FOUND)/$*.log
fuzz-check-run: $(FUZZ_TARGETS:%=fuzz-check-%)
fuzz-check-%: $(B)/fuzz/%
	$(Q)mkdir -p $(FUZZ_FOUND)
	$(Q)$< $(call fuzz_flags,$*) -runs=0 tests/fuzz/corpus/$* > $(FUZZ_FOUND)/$*.log 2>&1 || { tail -40 $(FUZZ_FOUND)/$*.log; exit 1; }
	$(Q)echo "fuzz: $* $$(ls tests/fuzz/corpus/$* | wc -l) inputs of the corpus hold"
fuzz-seeds-run: $(B)/fuzz/seeds $(FUZZ_TARGETS:%=$(B)/fuzz/%)
	$(Q)rm -rf $(FUZZ_FOUND)/seeds && $< $(FUZZ_FOUND)/seeds
	$(Q)for t in $(FUZZ_TARGETS); do mkdir -p tests/fuzz/corpus/$$t; \
	  $(B)/fuzz/$$t -merge=1 tests/fuzz/corpus/$$t $(FUZZ_FOUND)/seeds/$$t > $(FUZZ_FOUND)/$$t.log 2>&1 || exit 1; done
