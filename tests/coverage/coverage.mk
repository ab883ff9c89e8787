.PHONY: coverage mutate
coverage:
	@JOBS=$(JOBS) tests/coverage/run.sh

mutate:
	@MUTATE='$(MUTATE)' BASE='$(BASE)' SEED='$(SEED)' JOBS='$(JOBS)' \
	    tests/mutate/run.sh
