# lab_kernel.mk - included by the Makefile: tcpsm against Linux

$(B)/lab_kernel: bench/lab_kernel.c tcpsm.h $(SUPPORT)
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(EXAMPLE_CFLAGS) -o $@ $< $(LDLIBS)

# ARGS='--rows 10M/20ms --time 5': a part of it; bench/lab_kernel.py --help
lab-kernel:
	$(SUBMAKE) $(B)/lab_kernel $(B)/tests/support/relay
	@bench/lab_kernel.py $(ARGS)
