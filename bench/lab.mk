# The laboratory: see docs/recovery.md. Included by the Makefile.

LAB := $(B)/lab/lab
LAB_OBJECTS := $(patsubst bench/lab/%.c,$(B)/lab/%.o,$(wildcard bench/lab/*.c))
LAB_CFLAGS = -std=c99 -O2 -g $(WARN) -D_GNU_SOURCE -I. -Itests/support -Ibench/lab

$(B)/lab/tcpsm.o: tcpsm.h
	@mkdir -p $(@D)
	@echo "  CC  tcpsm.h"
	@printf '#include "tcpsm.h"\n' | $(CC) $(LAB_CFLAGS) \
	    -DTCPSM_IMPLEMENTATION -DTCPSM_NAMES -x c -c -o $@ -

$(B)/lab/%.o: bench/lab/%.c bench/lab/lab.h tcpsm.h tests/support/netsim.h \
    tests/support/pair.h
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(LAB_CFLAGS) -c -o $@ $<

$(LAB): $(LAB_OBJECTS) $(B)/lab/tcpsm.o
	@$(CC) -o $@ $^ -lm

.PHONY: lab lab-smoke lab-build
lab-build:
	$(SUBMAKE) $(LAB)

lab-smoke: lab-build
	@$(LAB) smoke --jobs $(JOBS) >$(B)/lab/smoke.txt; \
	    s=$$?; cat $(B)/lab/smoke.txt; exit $$s

lab: lab-build
	@JOBS=$(JOBS) bench/lab/lab.sh
