# upsink: `make demo` shows it, `make test` proves it; both set up what they need. `make help` lists the rest.
SHELL   = /bin/bash
prefix ?= /usr/local
VERSION = 0.1.0
CC     ?= cc
SAN    ?=

ifeq ($(SAN),)
BUILD  = build
OPT    = -O2 -g
else ifeq ($(SAN),asan)
BUILD  = build-asan
OPT    = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(SAN),tsan)
BUILD  = build-tsan
OPT    = -O1 -g -fsanitize=thread -fno-omit-frame-pointer
else
$(error SAN is empty, asan or tsan)
endif

WARN     = -Wall -Wextra -Werror -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
CPPFLAGS = -D_GNU_SOURCE -I. -Iconnector/base -DUPSINK_VERSION='"$(VERSION)"' -DUPSINK_LIBDIR='"$(prefix)/lib/upsink"'
CFLAGS   = -std=c17 $(OPT) $(WARN) -fPIC -fvisibility=hidden -pthread -MMD -MP
LDFLAGS  = $(filter -fsanitize%,$(OPT)) -pthread -Wl,--as-needed
LIBS     = $(C11_THREADS) -lrdkafka -ljansson -lyaml -lmicrohttpd -lxxhash -ldl -lm

SINKS        = $(notdir $(patsubst %/,%,$(wildcard sinks/*/)))
LIBS_postgres = -lpq
LIBS_sqlite   = -lsqlite3
LIBS_stdout   =
LIBS_redis    = -lhiredis -lssl -lcrypto
LIBS_mongodb  = $(shell pkg-config --libs libmongoc-1.0 2>/dev/null)
LIBS_elasticsearch = -lcurl -ljansson
CPPFLAGS_postgres = -I$(shell pg_config --includedir 2>/dev/null)
# As system headers: what is in them is not ours to mend.
CPPFLAGS_mongodb  = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libmongoc-1.0 2>/dev/null))

obj   = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
BASE  = $(wildcard connector/base/*.c)
CORE  = $(wildcard schemas/*.c dlq/*.c sinks/*.c) $(filter-out connector/main.c $(BASE),$(wildcard connector/*.c connector/*/*.c))
# The thread sanitizer has to see the threads and locks of librdkafka's, which are C11's.
ifeq ($(SAN),tsan)
C11_THREADS = $(call obj,tests/tsan/c11_threads.c)
endif
PLUGINS = $(foreach s,$(SINKS),$(BUILD)/sinks/libupsink_$(s).so)
UNIT  = $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c)
UNIT_BIN = $(patsubst %.c,$(BUILD)/%,$(UNIT))
BENCH_BIN = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
CONTRACT = $(wildcard tests/contract/*.c)

.DEFAULT_GOAL = all
.PHONY: all install install-contract uninstall demo test check bench bench-latency asan tsan lint format docs deps clean help \
        check-layers unit programs always
.SECONDARY:

all: $(BUILD)/upsink $(PLUGINS) ## build the program and its sinks

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CPPFLAGS) $(EXTRA_CPPFLAGS) $(CFLAGS) -c $< -o $@

# What was built for another prefix looks for its sinks there.
$(BUILD)/prefix: always
	@mkdir -p $(@D); echo '$(prefix)' | cmp -s - $@ || echo '$(prefix)' >$@
$(BUILD)/obj/sinks/registry.o: $(BUILD)/prefix

$(BUILD)/libupsink_base.a: $(call obj,$(BASE))
	@rm -f $@
	$(AR) rcs $@ $^

# What sinks may use beside base; a plugin takes only the members that it needs.
$(BUILD)/libupsink_schemas.a: $(call obj,$(wildcard schemas/*.c))
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libupsink.a: $(call obj,$(CORE) $(BASE)) | $(C11_THREADS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/upsink: $(call obj,connector/main.c) $(BUILD)/libupsink.a
	$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

# A sink is a shared object with its client library, and a static archive for its own unit tests.
define sink_rules
$(BUILD)/sinks/libupsink_$(1).so: $(call obj,$(wildcard sinks/$(1)/*.c)) $(BUILD)/libupsink_schemas.a $(BUILD)/libupsink_base.a
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) -shared $$^ $(LIBS_$(1)) -lxxhash -o $$@
$(BUILD)/sinks/$(1).a: $(call obj,$(wildcard sinks/$(1)/*.c))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(AR) rcs $$@ $$^
$(call obj,$(wildcard sinks/$(1)/*.c)): EXTRA_CPPFLAGS = $(CPPFLAGS_$(1))
endef
$(foreach s,$(SINKS),$(eval $(call sink_rules,$(s))))
SINK_ARCHIVES = $(foreach s,$(SINKS),$(BUILD)/sinks/$(s).a)

FILTER = $(BUILD)/obj/tests/filter.o

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(FILTER) $(BUILD)/libupsink.a $(SINK_ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $< $(FILTER) -Wl,--start-group $(SINK_ARCHIVES) $(BUILD)/libupsink.a -Wl,--end-group $(LIBS) $(foreach s,$(SINKS),$(LIBS_$(s))) -lcmocka -o $@

$(BUILD)/obj/tests/unit/sinks/mongodb/%.o: EXTRA_CPPFLAGS = $(CPPFLAGS_mongodb)

# Tests of one sink against its real server.
$(BUILD)/tests/integration/%: $(BUILD)/obj/tests/integration/%.o $(FILTER) $(BUILD)/libupsink.a $(SINK_ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $< $(FILTER) -Wl,--start-group $(SINK_ARCHIVES) $(BUILD)/libupsink.a -Wl,--end-group $(LIBS) $(foreach s,$(SINKS),$(LIBS_$(s))) -lcmocka -o $@
$(BUILD)/obj/tests/integration/%.o: EXTRA_CPPFLAGS = $(CPPFLAGS_postgres) $(CPPFLAGS_mongodb)

$(BUILD)/tests/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/libupsink.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ $(LIBS) -lpq -o $@
$(BUILD)/obj/tests/bench/%.o: EXTRA_CPPFLAGS = $(CPPFLAGS_postgres)

# The contract suite loads sinks as plugins, through nothing but the public interface.
$(BUILD)/tests/contract/suite: $(call obj,$(CONTRACT)) $(FILTER) $(BUILD)/libupsink.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@

# The sinks in memory, `fake:` and, without transactions, `fakeplain:`, for the suite and for tests of the connector.
FAKE_DIR   = tests/contract/fake_sink
FAKE_SINKS = $(BUILD)/tests/contract/libupsink_fake.so $(BUILD)/tests/contract/libupsink_fakeplain.so
$(BUILD)/obj/$(FAKE_DIR)/plain.o: $(FAKE_DIR)/fake.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -DFAKE_PLAIN $(CFLAGS) -c $< -o $@
$(BUILD)/tests/contract/libupsink_fake.so: $(BUILD)/obj/$(FAKE_DIR)/fake.o
$(BUILD)/tests/contract/libupsink_fakeplain.so: $(BUILD)/obj/$(FAKE_DIR)/plain.o
$(FAKE_SINKS): $(call obj,$(FAKE_DIR)/store.c $(FAKE_DIR)/api.c) $(BUILD)/libupsink_base.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared $(filter %.o,$^) $(filter %.a,$^) -lxxhash -o $@

REAL  = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/integration/test_*.c tests/integration/*/test_*.c))

programs: all $(UNIT_BIN) $(REAL) $(BUILD)/tests/contract/suite $(FAKE_SINKS) $(BUILD)/tests/bench/generate $(BUILD)/tests/integration/mock_kafka

unit: $(UNIT_BIN)

test: ## set up, build, run every test against real servers; TEST=name runs those whose name contains it
	@deploy/install-deps.sh build test
	@$(MAKE) --no-print-directory -j$$(nproc) programs
	@BUILD=$(BUILD) tests/run.py $(if $(TEST),-k $(TEST)) $(SUITE)

check: ## build and run what needs no server
	@$(MAKE) --no-print-directory -j$$(nproc) programs
	@BUILD=$(BUILD) tests/run.py $(if $(TEST),-k $(TEST)) layers unit

asan: ## every test with address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory SAN=asan test

tsan: ## every test with the thread sanitizer
	@$(MAKE) --no-print-directory SAN=tsan test

demo: ## set up, build, show a view fill from a topic, in one process
	@deploy/install-deps.sh build
	@[ -x $(BUILD)/upsink ] || echo "Building, which takes about a minute the first time ..." >&2
	@$(MAKE) --no-print-directory -j$$(nproc) all >/dev/null
	@$(BUILD)/upsink demo

bench: ## measure end to end, beside the bare floor; SINK=postgres EVENTS=500000 RUNS=3
	@deploy/install-deps.sh build test
	@$(MAKE) --no-print-directory -j$$(nproc) all $(BENCH_BIN)
	@BUILD=$(BUILD) tests/bench/bench.sh

bench-latency: ## measure from produced to visible at a steady rate; RATE=1000 DURATION=30
	@deploy/install-deps.sh build test
	@$(MAKE) --no-print-directory -j$$(nproc) programs
	@BUILD=$(BUILD) tests/bench/latency.py

SOURCES = $(shell git ls-files '*.c' '*.h')
format: ## lay the sources out as .clang-format says
	clang-format -i $(SOURCES)

lint: ## layout, layers, clang-tidy
	@deploy/install-deps.sh build lint
	clang-format --dry-run --Werror $(SOURCES)
	@$(MAKE) --no-print-directory check-layers
	clang-tidy --quiet $(filter connector/% schemas/% sinks/% dlq/%,$(filter %.c,$(SOURCES))) -- $(CPPFLAGS) $(CPPFLAGS_postgres) $(CPPFLAGS_mongodb) -std=c17

docs: all ## man page and completions from the command table
	$(BUILD)/upsink generate man >deploy/upsink.1
	$(BUILD)/upsink generate bash >deploy/completion/upsink.bash
	$(BUILD)/upsink generate zsh >deploy/completion/_upsink

INSTALL  = install -D
ROOM     = $(DESTDIR)$(prefix)
SINK_ABI = $(shell sed -n 's/^\#define UPSINK_SINK_ABI //p' sinks/sink.h)
EXAMPLE  = $(addprefix deploy/examples/files/,Makefile README.md files.c files.h target.c disk.c disk.h store.sh)
HEADERS  = sinks/sink.h connector/base/error.h connector/base/slice.h
install: all ## into $(DESTDIR)$(prefix)
	$(INSTALL) -m 755 $(BUILD)/upsink $(ROOM)/bin/upsink
	for plugin in $(PLUGINS); do $(INSTALL) -m 755 $$plugin $(ROOM)/lib/upsink/$${plugin##*/} || exit 1; done
	$(INSTALL) -m 644 -t $(ROOM)/include/upsink $(HEADERS)
	@mkdir -p $(ROOM)/lib/pkgconfig
	sed -e 's|@prefix@|$(prefix)|' -e 's|@version@|$(VERSION)|' -e 's|@abi@|$(SINK_ABI)|' deploy/upsink.pc.in >$(ROOM)/lib/pkgconfig/upsink.pc
	@chmod 644 $(ROOM)/lib/pkgconfig/upsink.pc
	$(INSTALL) -m 644 deploy/upsink.1 $(ROOM)/share/man/man1/upsink.1
	$(INSTALL) -m 644 deploy/completion/upsink.bash $(ROOM)/share/bash-completion/completions/upsink
	$(INSTALL) -m 644 deploy/completion/_upsink $(ROOM)/share/zsh/site-functions/_upsink
	$(INSTALL) -m 644 schemas/definitions/upsink.schema.json $(ROOM)/share/upsink/upsink.schema.json

	$(INSTALL) -m 644 sinks/README.md $(ROOM)/share/doc/upsink/sinks.md
	$(INSTALL) -m 644 -t $(ROOM)/share/doc/upsink/examples/files $(filter-out %.sh,$(EXAMPLE))
	$(INSTALL) -m 755 -t $(ROOM)/share/doc/upsink/examples/files $(filter %.sh,$(EXAMPLE))

install-contract: $(BUILD)/tests/contract/suite ## what a sink must do, as a program to ask one of your own: upsink-contract
	$(INSTALL) -m 755 $(BUILD)/tests/contract/suite $(ROOM)/bin/upsink-contract

# Plugins that others put beside ours stay, and the directory with them.
uninstall: ## what install put there
	rm -f $(ROOM)/bin/upsink $(ROOM)/bin/upsink-contract $(ROOM)/share/man/man1/upsink.1 $(ROOM)/lib/pkgconfig/upsink.pc
	rm -f $(ROOM)/share/bash-completion/completions/upsink $(ROOM)/share/zsh/site-functions/_upsink
	rm -f $(patsubst sinks/%/,$(ROOM)/lib/upsink/libupsink_%.so,$(wildcard sinks/*/))
	rm -f $(addprefix $(ROOM)/include/upsink/,$(notdir $(HEADERS))) $(ROOM)/share/upsink/upsink.schema.json
	rm -f $(ROOM)/share/doc/upsink/sinks.md $(addprefix $(ROOM)/share/doc/upsink/examples/files/,$(notdir $(EXAMPLE)))
	@for own in share/doc/upsink/examples/files share/doc/upsink/examples share/doc/upsink; do rmdir $(ROOM)/$$own 2>/dev/null || true; done
	@for own in lib include share; do rmdir $(ROOM)/$$own/upsink 2>/dev/null || true; done

deps: ## install what building and testing need (apt)
	@deploy/install-deps.sh build test lint

check-layers: ## who may include whom (ARCHITECTURE.md, Rooms)
	@! grep -nE '^#include "(connector|schemas|sinks|dlq)/' connector/base/*.[ch] /dev/null
	@! grep -nE '^#include "(connector|dlq)/|^#include "sinks/[^s]' schemas/*.[ch]
	@! grep -nE '^#include "(connector|dlq)/' sinks/*.[ch] sinks/*/*.[ch]
	@! grep -nE '^#include "(connector|sinks)/' dlq/*.[ch]

clean: ## remove what was built
	rm -rf build build-asan build-tsan

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
