# What tests/coverage/run.sh builds and runs, each test once, again only when
# it, the header or what it includes has changed.
#
# Every test is compiled from standard input: the profile's name of a static
# function is FILE;NAME, so that with one FILE for all of them the counters
# of all programs add up, those with an implementation of their own, too.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

C = build/coverage
CLANG = clang-19
# A copy, because the report must show the text that was compiled.
H = $(C)/header/tcpsm.h
PLAIN = -std=c99 -O0 -w -D_GNU_SOURCE -I$(C)/header -I. -Itests/support
CFLAGS = $(PLAIN) -fprofile-instr-generate -fcoverage-mapping \
         -fcoverage-mcdc -fprofile-list=tests/coverage/functions.txt
LIMIT = 300

OWN := $(shell grep -l '^\# *define TCPSM_IMPLEMENTATION' \
       tests/unit/*.c tests/wire/*.c)
# the smallest configuration is another program: it is reported apart
SMALL := $(shell grep -l '^\# *define TCPSM_TINY' tests/unit/*.c \
         tests/wire/*.c)
MODELS := $(filter-out %/reference.c,$(wildcard tests/model/*.c))
SCRIPTS := $(wildcard tests/scripts/pkt_main.c)

FULL := $(filter-out $(SMALL),$(wildcard tests/unit/*.c tests/wire/*.c)) \
        $(MODELS)
RUNS := $(FULL:tests/%.c=$(C)/run/%.profraw) \
        $(if $(SCRIPTS),$(C)/run/scripts/pkt.profraw \
        $(C)/run/scripts/pkt-one.profraw)
TINY := $(SMALL:tests/%.c=$(C)/run/%.profraw) \
        $(MODELS:tests/%.c=$(C)/run/%-tiny.profraw) \
        $(if $(SCRIPTS),$(C)/run/scripts/pkt-tiny.profraw)
SUPPORT := $(wildcard tests/support/*.h tests/unit/*.h tests/wire/*.h \
           tests/model/*.h)
PKT := $(wildcard tests/scripts/*.c)
REFERENCE := $(wildcard tests/model/reference.c)

.PHONY: all list
all: $(C)/full.o $(C)/tiny.o $(RUNS) $(TINY)

list:
	@printf 'full %s\n' $(RUNS)
	@printf 'tiny %s\n' $(TINY)

$(C)/full.o: $(H)
	@mkdir -p $(@D)
	@printf '#include "tcpsm.h"\n' | $(CLANG) $(CFLAGS) \
	    -DTCPSM_IMPLEMENTATION -DTCPSM_NAMES -x c -c -o $@ - 2>$@.log

$(C)/tiny.o: $(H)
	@mkdir -p $(@D)
	@printf '#include "tcpsm.h"\n' | $(CLANG) $(CFLAGS) -DTCPSM_TINY \
	    -DTCPSM_IMPLEMENTATION -DTCPSM_NAMES -x c -c -o $@ - 2>$@.log

# An archive, because a test may double the library's functions.
$(C)/full.a: $(C)/full.o
	@rm -f $@
	@ar rcs $@ $<

# Instrumented is the header alone: a test is compiled with its own copy in
# it, or without any instrumentation and linked with the library.
COMPILE = mkdir -p $(@D) && printf '\#include "$<"\n' | $(CLANG)
LINK = $(CLANG) -fprofile-instr-generate -o $@

$(OWN:tests/%.c=$(C)/bin/%): $(C)/bin/%: tests/%.c $(H) $(SUPPORT)
	@$(COMPILE) $(CFLAGS) -x c -c -o $@.o - 2>$@.log || { cat $@.log; false; }
	@$(LINK) $@.o -lm

LINKED := $(filter-out $(OWN) $(MODELS),$(FULL))
$(LINKED:tests/%.c=$(C)/bin/%): $(C)/bin/%: tests/%.c $(C)/full.a $(SUPPORT)
	@$(COMPILE) $(PLAIN) -x c -c -o $@.o -
	@$(LINK) $@.o $(C)/full.a -lm

# The model and the packet-script runner, with both libraries; %-tiny first,
# because of two rules that fit make takes the one with the shorter stem.
FAST = $(PLAIN) -O1
HEADERS = $(H) $(SUPPORT) $(wildcard tests/scripts/*.h)
$(C)/obj/%-tiny.o: tests/%.c $(HEADERS)
	@mkdir -p $(@D) && $(CLANG) $(FAST) -DTCPSM_TINY -c -o $@ $<

$(C)/obj/%.o: tests/%.c $(HEADERS)
	@mkdir -p $(@D) && $(CLANG) $(FAST) -c -o $@ $<

$(C)/bin/model/%-tiny: $(C)/obj/model/%-tiny.o $(C)/tiny.o \
    $(REFERENCE:tests/%.c=$(C)/obj/%-tiny.o)
	@mkdir -p $(@D) && $(LINK) $^ -lm

$(C)/bin/model/%: $(C)/obj/model/%.o $(C)/full.o \
    $(REFERENCE:tests/%.c=$(C)/obj/%.o)
	@mkdir -p $(@D) && $(LINK) $^ -lm

$(C)/bin/scripts/pkt-tiny: $(PKT:tests/%.c=$(C)/obj/%-tiny.o) $(C)/tiny.o
	@mkdir -p $(@D) && $(LINK) $^ -lm

$(C)/bin/scripts/pkt: $(PKT:tests/%.c=$(C)/obj/%.o) $(C)/full.o
	@mkdir -p $(@D) && $(LINK) $^ -lm

# A script that must be skipped or that fails is no affair of this one's:
# `make test` judges; here they only run.
PKT_FILES := $(shell find tests/scripts -name '*.pkt' -not -path '*/wrong/*')
$(C)/run/scripts/%.profraw: $(C)/bin/scripts/% $(PKT_FILES)
	@mkdir -p $(@D)
	@LLVM_PROFILE_FILE=$@ timeout -k 5 $(LIMIT) $< tests/scripts \
	    >$(@:.profraw=.log) 2>&1 </dev/null || true
	@printf '  RUN %-26s %s\n' scripts/$* "`tail -n 1 $(@:.profraw=.log)`"

# The same scripts against one connection
$(C)/run/scripts/pkt-one.profraw: $(C)/bin/scripts/pkt $(PKT_FILES)
	@mkdir -p $(@D)
	@LLVM_PROFILE_FILE=$@ timeout -k 5 $(LIMIT) $< --layer=1 tests/scripts \
	    >$(@:.profraw=.log) 2>&1 </dev/null || true
	@printf '  RUN %-26s %s\n' scripts/pkt-one \
	    "`tail -n 1 $(@:.profraw=.log)`"

$(C)/run/%.profraw: $(C)/bin/%
	@mkdir -p $(@D)
	@rm -f $@
	@LLVM_PROFILE_FILE=$@ timeout -k 5 $(LIMIT) $< \
	    >$(@:.profraw=.log) 2>&1 </dev/null; echo $$? >$(@:.profraw=.rc)
	@printf '  RUN %-26s %s\n' $* "`tail -n 1 $(@:.profraw=.log)`"
	@test -s $@
