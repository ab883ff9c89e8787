# tcpsm is one header and needs no building; this file runs what surrounds
# it. Needed for `make demo` and `make test`: make, sh, bash, a C compiler.
#
# To add a test, drop a file:
#   tests/unit/NAME.c, tests/wire/NAME.c     one test program each, built
#       with the sanitizers and -I. -Itests/support. It may define
#       TCPSM_IMPLEMENTATION; if it does not, the library is linked in
#   tests/model/NAME.c   the same, linked with tests/model/reference.c; built
#       twice, also as NAME-tiny with -DTCPSM_TINY
#   tests/scripts/DIR/NAME.pkt   a packet script; tests/scripts/*.c is what
#       runs it, build/pkt
#   tests/support/NAME.c, tests/interop/NAME.c   a program for the scripts,
#       build/tests/support/NAME; no sanitizers
#   tests/{interop,portability,house,demo,scripts}/NAME.sh   executable; prints the
#       same lines as tests/support/test.h and exits 1 on failure
# To add an example, drop examples/DIR/NAME.c; it becomes build/DIR/NAME. The
# programs below are for use, so they have shorter names.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

B = build
JOBS := $(shell nproc 2>/dev/null || echo 2)
WARN = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef \
       $(CAST_ALIGN) $(WERROR)
WERROR = -Werror
# clang has no strict form of it
CAST_ALIGN := $(shell $(CC) -Werror -Wcast-align=strict -E -x c /dev/null \
    >/dev/null 2>&1 && echo -Wcast-align=strict || echo -Wcast-align)
# Most tests take longer to compile than to run; the library, and those that
# run for seconds, are the other way round.
CFLAGS = -std=c99 -O0 -g1
LONG = unit/blob unit/conn_hostile unit/memory wire/storm wire/stream_long \
       wire/stream_reassembly
$(B)/libtcpsm.o $(B)/tiny.o $(LONG:%=$(B)/tests/%): CFLAGS = -std=c99 -O1 -g1
INC = -I. -Itests/support

# -D_GNU_SOURCE is for what tests and examples want of the C library; the
# header itself is compiled strictly by tests/portability.
TEST_CFLAGS = $(CFLAGS) $(WARN) -D_GNU_SOURCE $(INC) $(SAN)
EXAMPLE_CFLAGS = -std=c99 -O2 -g $(WARN) -D_GNU_SOURCE $(INC)

# A compiler without sanitizers still runs the tests.
# A null pointer faults anyway, and to test for it at each access takes a
# fifth of the compile time.
SAN_WANTED = -fsanitize=address,undefined -fno-sanitize=null \
             -fno-sanitize-recover=all \
             -fno-omit-frame-pointer
SAN := $(shell mkdir -p $(B) && printf 'int main(void){return 0;}' | \
       $(CC) $(SAN_WANTED) -x c -o $(B)/.san - 2>/dev/null && \
       $(B)/.san && echo "$(SAN_WANTED)"; rm -f $(B)/.san)

UNIT := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/*.c))
WIRE := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/wire/*.c))
EXAMPLES := $(patsubst examples/%.c,$(B)/%,$(wildcard examples/*/*.c))
PROGRAMS := $(patsubst $(B)/tun/%,$(B)/tun-%,$(filter \
            $(B)/tun/httpd $(B)/tun/get,$(EXAMPLES)))
MIGRATE := $(patsubst $(B)/tun/%,$(B)/%,$(filter $(B)/tun/migrate,$(EXAMPLES)))
EXAMPLES := $(filter-out $(B)/tun/httpd $(B)/tun/get $(B)/tun/migrate, \
            $(EXAMPLES))
# Programs that are tests of the model, with the configuration of a server and
# the smallest.
MODEL := $(patsubst tests/%.c,$(B)/tests/%,$(filter-out %/reference.c, \
         $(wildcard tests/model/*.c)))
TINY := $(MODEL:%=%-tiny)
# The packet-script runner, likewise.
PKT := $(if $(wildcard tests/scripts/pkt_main.c),$(B)/pkt $(B)/pkt-tiny)
# What test scripts run: small programs without a test of their own.
HELPERS := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/support/*.c \
           tests/interop/*.c))
DEMO := $(filter $(B)/loopback/%,$(EXAMPLES))
# The long ones first, so that no processor waits at the end.
SCRIPTS := $(wildcard tests/portability/*.sh tests/house/*.sh \
           tests/demo/*.sh tests/scripts/*.sh tests/interop/*.sh)
SUPPORT := $(wildcard tests/support/*.h tests/model/*.h examples/*.h examples/*/*.h)
SOURCES := $(wildcard tests/*/*.[ch] examples/*/*.[ch] examples/*.h \
           bench/*.[ch])

# Goals on one command line run one after the other, as they are written,
# whatever -j says; the parallelism is in the sub-makes.
ifndef TCPSM_SUBMAKE
.NOTPARALLEL:
endif
SUBMAKE = +@TCPSM_SUBMAKE=1 $(MAKE) --no-print-directory -k -j$(JOBS)

.PHONY: help demo demo-tun test build-tests deps size test-musts prove \
        bench-instructions clean format format-check records lab-kernel

help:
	@echo 'make demo                two connections in one process, drawn'
	@echo 'make demo-tun            a server on a TUN device and curl, drawn (root)'
	@echo 'make test                what runs here; lists what it skipped'
	@echo 'make deps                what the rest of the tests needs (root,'
	@echo '                         Debian 12); says first what and how much'
	@echo 'make size                struct and code sizes; fails when too big'
	@echo 'make test-musts          every cited MUST, violated: tests notice?'
	@echo 'make coverage            lines, branches, MC/DC that the tests reach: goals'
	@echo 'make mutate              small changes to tcpsm.h: do the tests notice?'
	@echo '                         MUTATE=10%|diff|section11'
	@echo 'make pkt                 build/pkt, which runs packet scripts'
	@echo 'make prove               CBMC on the steps that read foreign bytes'
	@echo 'make bench-instructions  instructions per segment, by callgrind'
	@echo 'make lab                 loss recovery over simulated paths: tables, plots'
	@echo 'make lab-smoke           and its goals; fails when one is missed'
	@echo 'make lab-kernel          against Linux, over lossy paths (root, 25 min)'
	@echo 'make records             measures anew: what sizes, stack and'
	@echo '                         instructions are held to, and the README'
	@echo 'make format-check        is everything as .clang-format says?'
	@echo 'make clean               removes build/'
	@echo 'Variables: CC=, JOBS=, FILTER=part-of-a-test-name, V=1 (all lines)'

demo:
	$(SUBMAKE) $(DEMO)
	@$(B)/loopback/demo $(if $(SEED),--seed $(SEED)) \
	    $(if $(FILE),--file $(FILE))

demo-tun:
	$(SUBMAKE) $(B)/tun-httpd $(B)/tun/draw
	@FILE='$(FILE)' examples/tun/demo.sh

test:
	@mkdir -p $(B)/log && date +%s >$(B)/log/start
	$(SUBMAKE) build-tests || true
	@JOBS=$(JOBS) CC='$(CC)' FILTER='$(FILTER)' V='$(V)' tests/run.sh \
	    $(UNIT) $(WIRE) $(MODEL) $(TINY) $(SCRIPTS)

build-tests: $(UNIT) $(WIRE) $(MODEL) $(TINY) $(PKT) $(EXAMPLES) $(PROGRAMS) \
             $(MIGRATE) $(HELPERS)

.PHONY: pkt
pkt:
	$(SUBMAKE) $(PKT)

$(B)/libtcpsm.o: tcpsm.h
	@mkdir -p $(@D)
	@printf '#include "tcpsm.h"\n' | $(CC) $(TEST_CFLAGS) \
	    -DTCPSM_IMPLEMENTATION -DTCPSM_NAMES -x c -c -o $@ -

# An archive, so that a test with its own implementation does not get two.
$(B)/libtcpsm.a: $(B)/libtcpsm.o
	@rm -f $@
	@$(AR) rcs $@ $<

$(UNIT) $(WIRE): $(B)/tests/%: tests/%.c tcpsm.h $(B)/libtcpsm.a $(SUPPORT)
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(TEST_CFLAGS) -o $@ $< $(B)/libtcpsm.a $(LDLIBS)

$(B)/tiny.o: tcpsm.h
	@mkdir -p $(@D)
	@printf '#include "tcpsm.h"\n' | $(CC) $(TEST_CFLAGS) -DTCPSM_TINY \
	    -DTCPSM_IMPLEMENTATION -DTCPSM_NAMES -x c -c -o $@ -

REFERENCE = $(wildcard tests/model/reference.c)
$(MODEL): $(B)/tests/%: tests/%.c $(REFERENCE) $(B)/libtcpsm.o $(SUPPORT)
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(TEST_CFLAGS) -O1 -o $@ $< $(REFERENCE) $(B)/libtcpsm.o

$(TINY): $(B)/tests/%-tiny: tests/%.c $(REFERENCE) $(B)/tiny.o $(SUPPORT)
	@mkdir -p $(@D)
	@echo "  CC  $< (tiny)"
	@$(CC) $(TEST_CFLAGS) -O1 -DTCPSM_TINY -o $@ $< $(REFERENCE) $(B)/tiny.o

PKT_NAMES = $(notdir $(basename $(wildcard tests/scripts/*.c)))
PKT_HEADERS = $(wildcard tests/scripts/*.h) tcpsm.h
$(B)/pkt: $(PKT_NAMES:%=$(B)/scripts/%.o) $(B)/libtcpsm.o
	@echo "  LD  $@"
	@$(CC) $(TEST_CFLAGS) -o $@ $^

$(B)/pkt-tiny: $(PKT_NAMES:%=$(B)/scripts/%-tiny.o) $(B)/tiny.o
	@echo "  LD  $@"
	@$(CC) $(TEST_CFLAGS) -o $@ $^

$(B)/scripts/%-tiny.o: tests/scripts/%.c $(PKT_HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(TEST_CFLAGS) -O1 -DTCPSM_TINY -c -o $@ $<

$(B)/scripts/%.o: tests/scripts/%.c $(PKT_HEADERS)
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(TEST_CFLAGS) -O1 -c -o $@ $<

# These include parts of the runner.
$(B)/tests/unit/pkt_parse $(B)/tests/unit/pkt_conf $(B)/tests/unit/pkt_info: \
    $(wildcard tests/scripts/*.[ch])

$(EXAMPLES): $(B)/%: examples/%.c tcpsm.h $(SUPPORT)
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(EXAMPLE_CFLAGS) -o $@ $< $(LDLIBS)

$(PROGRAMS): $(B)/tun-%: examples/tun/%.c tcpsm.h $(SUPPORT)
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(EXAMPLE_CFLAGS) -o $@ $< $(LDLIBS)

$(MIGRATE): $(B)/%: examples/tun/%.c tcpsm.h $(SUPPORT)
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(EXAMPLE_CFLAGS) -o $@ $< $(LDLIBS)

$(HELPERS): $(B)/%: %.c tcpsm.h $(SUPPORT)
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(EXAMPLE_CFLAGS) -o $@ $< $(LDLIBS)

deps:
	@tests/deps.sh

size:
	@tests/house/size.sh --print

test-musts:
	@if [ -x tests/musts/run.sh ]; then SAMPLE='$(SAMPLE)' JOBS=$(JOBS) \
	tests/musts/run.sh; \
	else echo 'test-musts: there is no tests/musts/run.sh'; exit 1; fi

prove:
	@tests/proof/run.sh

bench-instructions:
	@bench/instructions.sh

include bench/lab.mk
include bench/lab_kernel.mk
include tests/coverage/coverage.mk

# After a change that was meant to cost something, or to save it.
records:
	@tests/house/size.sh --update
	@tests/house/stack.sh --update
	@bench/instructions.sh --update
	@tests/house/scale.sh --update
	@tests/house/docs.sh --numbers
	@tests/house/conformance.sh --update

format:
	@clang-format -i -style=file tcpsm.h $(SOURCES)

format-check:
	@clang-format -n -Werror -style=file tcpsm.h $(SOURCES)

clean:
	rm -rf $(B)
