# nebula: every command of the project. `make help` lists them.
#
# A target with ## behind it is for people. All that is made lies under $(BUILD), logs in $(BUILD)/log.
# Another folder (make BUILD=build/mine) is a build of its own; the sanitizers and coverage have theirs.

BUILD ?= build
# What was compiled before, be it in another clone or for another planted bug, is not compiled again.
CC := $(shell command -v ccache >/dev/null && [ -w "$${CCACHE_DIR:-$$HOME}" ] && echo ccache) gcc
export CCACHE_NOHASHDIR = 1
JOBS := $(shell nproc)
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
VERSION := $(shell sed -n 's/^return "\(.*\)"$$/\1/p' lua/nebula/version.lua)
# Of the shared library: raised when a function goes or changes, or a struct of nebula.h changes or grows (make abi).
ABI := 0
# They go into commands, into C and into what pkg-config reads, as they are.
ODD := ' " ` \ $$ & ; | < > * ? [ ] { } ( ) ! \#
ifneq ($(words $(PREFIX) $(LIBDIR)) $(words $(filter /%,$(PREFIX) $(LIBDIR))) $(words $(DESTDIR)),2 2 $(if $(DESTDIR),1,0))
$(error PREFIX and LIBDIR are absolute paths, and neither they nor DESTDIR have blanks)
endif
ifneq ($(strip $(foreach c,$(ODD),$(findstring $(c),$(PREFIX)$(LIBDIR)$(DESTDIR)))),)
$(error PREFIX and LIBDIR are absolute paths, and neither they nor DESTDIR have quotes or any of $(ODD))
endif
MAKE_IN = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

# --- flags ------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wpedantic -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wwrite-strings -Werror
# Without vectors of two pointers: a load of one of them would wait for the store of both.
OPTIMISE ?= -O2 -fno-tree-slp-vectorize
# What runs in earnest is optimised as a whole when it is linked: that saves a call a quarter of its time. Objects have both
# forms, so that specs, of which there are many, are linked as they always were. Nor are those of the sanitizers.
WHOLE := $(if $(filter file,$(origin OPTIMISE)),-flto=auto)
PIECES := -fno-lto
EXTRA ?=
# The engine's own names are nobody else's: engine/nebula.h says what the program and the library show.
ENGINE_FLAGS := -fPIC -fno-semantic-interposition -fvisibility=hidden $(if $(WHOLE),$(WHOLE) -ffat-lto-objects)
# The library stays where it was loaded, as its drivers do, which call it at the place where they found it.
SHARED_FLAGS := -Wl,-soname,libnebula.so.$(ABI),--version-script,engine/nebula.map,-z,nodelete
CFLAGS = -std=c11 -D_GNU_SOURCE $(WARN) $(OPTIMISE) -g -pthread -Iengine $(EXTRA)
# Other people's headers are system headers: our warnings are for our code.
uses = $(shell pkg-config --cflags $(1) 2>/dev/null | sed 's/-I/-isystem /g')
links = $(shell pkg-config --libs $(1) 2>/dev/null)
ENGINE_LIBS := libuv jansson
DRIVER_LIBS := libpq libssl sqlite3
PKG_CFLAGS := $(call uses,$(ENGINE_LIBS) $(DRIVER_LIBS) luajit)
LDLIBS := -Wl,--as-needed $(call links,$(ENGINE_LIBS) $(DRIVER_LIBS)) -lm
PROGRAM_LIBS := -Wl,--as-needed $(call links,$(ENGINE_LIBS) luajit) -lm
SPEC_LIBS := $(call links,cmocka)
# spec/sim/memory.h counts what our own code allocates, and lets one allocation fail.
WRAPPED := $(foreach f,malloc calloc realloc free strdup strndup,-Wl,--wrap=$(f))
# spec/sim/ledger_trace.h writes down what is done to the ledger.
WRAPPED += $(foreach f,join stop leave take ask wish forget unask give doom asked_us hand receive take_back resize,-Wl,--wrap=permits_$(f))

# --- what is built ----------------------------------------------------------------------------------

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

LIBRARY_C := $(wildcard engine/nebula*.c engine/base/*.c engine/rules/*.c engine/core/*.c engine/drivers/*.c)
LIBRARY_C := $(filter-out engine/drivers/loaded.c engine/drivers/given%,$(LIBRARY_C))
ENGINE_C := $(filter-out engine/drivers/%,$(LIBRARY_C))
LOADING_C := engine/drivers/loaded.c engine/drivers/given_table.c $(wildcard engine/drivers/foreign*.c)
# Above the border, and in the library too.
DECLARE_C := engine/chamber.c engine/declare.c engine/home.c engine/judge.c engine/modules.c
PROGRAM_C := $(filter-out engine/nebula% engine/declare.c,$(wildcard engine/*.c)) $(LOADING_C)
LIBRARY := $(BUILD)/libnebula.a
# The archives have their drivers linked in. The program and the shared library load them when they are first needed:
# nebula-NAME.so beside them.
DRIVERS := postgres sqlite
DRIVER_SO := $(DRIVERS:%=$(BUILD)/nebula-%.so)
driver_objects = $(call objects,$(wildcard engine/drivers/$(1)*.c) engine/drivers/given.c)
postgres_USES := libpq libssl
sqlite_USES := sqlite3
BUNDLE_LUA := $(sort $(shell find lua/nebula -name '*.lua'))
BUNDLE := $(BUILD)/bundle
PROGRAMS := $(BUILD)/nebula $(BUILD)/nebula-lua $(DRIVER_SO)
# What is installed: installed/libnebula.a is one object that shows no more names than the shared one.
SHARED := $(BUILD)/libnebula.so.$(VERSION)
ARCHIVE := $(BUILD)/installed/libnebula.a

# Specs link the library. Those of the simulation link the same engine on another loop, without drivers.
SPEC_C := $(wildcard spec/rules/*_spec.c spec/core/*_spec.c spec/kinds/*_spec.c spec/sim/*_spec.c spec/library/*_spec.c)
LIBRARY_SPEC_C := $(filter spec/library/%,$(SPEC_C))
SIM_SPEC_C := $(filter spec/sim/%_spec.c spec/core/%_sim_spec.c,$(SPEC_C))
SIM_C := $(filter-out engine/base/world.c engine/core/loop_uv.c engine/core/watch_uv.c engine/core/guest_uv.c engine/core/blocking.c \
	engine/core/resolve.c engine/drivers/%,$(LIBRARY_C)) \
	$(filter-out %_spec.c,$(wildcard spec/sim/*.c))
PROXY_C := $(wildcard spec/support/proxy*.c)
DESK_C := $(wildcard spec/support/desk*.c)
SUPPORT_C := $(filter-out $(PROXY_C) $(DESK_C),$(wildcard spec/support/*.c))
SPECS := $(SPEC_C:%.c=$(BUILD)/%)
BENCHES := $(patsubst %.c,$(BUILD)/%,$(filter-out bench/stage.c bench/cas.c,$(wildcard bench/*.c)))
LIBRARY_SPECS := $(LIBRARY_SPEC_C:%.c=$(BUILD)/%)
SIM_SPECS := $(SIM_SPEC_C:%.c=$(BUILD)/%)
SIM_LIBRARY := $(BUILD)/libsim.a
SUPPORT := $(if $(SUPPORT_C),$(BUILD)/libsupport.a)
PROXY := $(BUILD)/spec/proxy
DESK := $(BUILD)/spec/desk

# Two makes in one folder wait for each other instead of writing the same files.
all: ## build the library and the program (the default)
	@deploy/setup.sh --check run
	+@mkdir -p $(BUILD) && flock $(BUILD)/.lock $(MAKE_IN) built

specs:
	+@mkdir -p $(BUILD) && flock $(BUILD)/.lock $(MAKE_IN) built built-specs

built: $(LIBRARY) $(PROGRAMS) $(SHARED)
	@:
built-specs: $(SPECS) $(PROXY) $(DESK) $(ARCHIVE)
	@:

$(LIBRARY): $(call objects,$(LIBRARY_C))
$(SIM_LIBRARY): $(call objects,$(SIM_C))
$(BUILD)/libsupport.a: $(call objects,$(SUPPORT_C))
$(BUILD)/%.a:
	@echo AR $(@F)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/libbase.a: $(call objects,$(wildcard engine/base/*.c))

# The modules in Lua, compiled. A file that comes or goes changes its folder.
$(BUNDLE).c: lua/bundle.lua $(BUNDLE_LUA) $(sort $(dir $(BUNDLE_LUA)))
	@echo BUNDLE lua
	@luajit $< $(BUNDLE_LUA) > $@
$(BUNDLE).o: $(BUNDLE).c
	@$(CC) -fPIC -fvisibility=hidden -Iengine $(PKG_CFLAGS) -c -o $@ $<

# The FFI looks for what it calls in the program itself. A path of the old kind also counts when a sanitizer stands
# between the program and dlopen().
RUN_PATH = -Wl,--disable-new-dtags,-rpath,'$(1)'
PROGRAM_OBJECTS := $(call objects,$(PROGRAM_C) $(ENGINE_C)) $(BUNDLE).o
$(BUILD)/nebula: $(PROGRAM_OBJECTS)
	@echo LD $(@F)
	@$(CC) $(CFLAGS) $(WHOLE) -rdynamic $(call RUN_PATH,$$ORIGIN:$$ORIGIN/../lib/nebula) -o $@ $^ $(PROGRAM_LIBS)

$(BUILD)/nebula-lua: $(BUILD)/nebula
	@ln -f $< $@

SHARED_OBJECTS := $(call objects,$(ENGINE_C) $(LOADING_C) $(DECLARE_C)) $(BUNDLE).o
$(SHARED): $(SHARED_OBJECTS) engine/nebula.map
	@echo LD $(@F)
	@$(CC) $(CFLAGS) $(WHOLE) -shared $(SHARED_FLAGS) \
		$(call RUN_PATH,$$ORIGIN:$$ORIGIN/nebula:$$ORIGIN/../nebula) -o $@ $(SHARED_OBJECTS) $(PROGRAM_LIBS)
	@ln -sf $(@F) $(BUILD)/libnebula.so.$(ABI) && ln -sf $(@F) $(BUILD)/libnebula.so

# All of it as one object, optimised as that.
$(BUILD)/whole.o: $(call objects,$(LIBRARY_C) $(DECLARE_C)) $(BUNDLE).o
	@echo LD $(@F)
	@$(CC) $(CFLAGS) $(if $(WHOLE),$(WHOLE) -flinker-output=nolto-rel) -r -o $@ $^

$(ARCHIVE): $(BUILD)/whole.o
	@echo AR installed/$(@F)
	@mkdir -p $(@D) && rm -f $@
	@objcopy --wildcard --keep-global-symbol 'nebula_*' $< $(@D)/nebula.o && ar rcs $@ $(@D)/nebula.o

# All that a driver calls of the engine is in drivers/given.c: a name that is missing there is missing here.
$(BUILD)/nebula-postgres.so: $(call driver_objects,postgres)
$(BUILD)/nebula-sqlite.so: $(call driver_objects,sqlite)
$(DRIVER_SO): $(BUILD)/nebula-%.so: $(BUILD)/libbase.a
	@echo LD $(@F)
	@$(CC) $(CFLAGS) $(WHOLE) -shared -Wl,-Bsymbolic,-z,now,--as-needed $(if $(findstring sanitize,$(EXTRA)),,-Wl,-z,defs) -o $@ \
		$(filter %.o,$^) $(BUILD)/libbase.a $(call links,$($*_USES)) -pthread
$(BUILD)/engine/%.o: private CFLAGS += $(ENGINE_FLAGS)
$(BUILD)/engine/home.o: private CFLAGS += -DNEBULA_PREFIX='"$(PREFIX)"'
$(BUILD)/engine/home.o: $(BUILD)/prefix

$(SIM_SPECS): $(BUILD)/%: $(BUILD)/%.o $(SIM_LIBRARY) $(SUPPORT)
	@echo LD $*
	@$(CC) $(CFLAGS) $(PIECES) $(WRAPPED) -o $@ $^ $(LDLIBS) $(SPEC_LIBS)

# These know nebula.h alone.
$(LIBRARY_SPECS): $(BUILD)/%: $(BUILD)/%.o $(SHARED)
	@echo LD $*
	@$(CC) $(CFLAGS) -o $@ $< -L$(BUILD) -lnebula $(call RUN_PATH,$$ORIGIN/../..) $(SPEC_LIBS)

$(filter-out $(SIM_SPECS) $(LIBRARY_SPECS),$(SPECS)): $(BUILD)/%: $(BUILD)/%.o $(SUPPORT) $(LIBRARY)
	@echo LD $*
	@$(CC) $(CFLAGS) $(PIECES) -o $@ $^ $(LDLIBS) $(SPEC_LIBS)

# This one counts the results that libpq gives away.
$(BUILD)/spec/kinds/postgres_rubbish_spec: private CFLAGS += -Wl,--wrap=PQgetResult,--wrap=PQclear

# This one brings its own machine, in which memory ends and files are far away.
$(BUILD)/spec/kinds/sqlite_fault_spec: private CFLAGS += \
	$(foreach f,malloc calloc realloc statfs,-Wl,--wrap=$(f))

# What is above the border and in no library.
HUB_SPECS := $(BUILD)/spec/core/hub_spec $(BUILD)/spec/core/hub_threads_spec
$(HUB_SPECS): $(call objects,engine/hub.c engine/hub_line.c)
$(HUB_SPECS): private LDLIBS := $(LIBRARY) $(LDLIBS)
# And this one runs out of memory.
$(BUILD)/spec/core/hub_spec: private CFLAGS += $(foreach f,malloc calloc,-Wl,--wrap=$(f))
# What the program alone has of the judge. The first one has a clock of its own too.
QUESTION_SPECS := $(BUILD)/spec/core/question_spec $(BUILD)/spec/core/question_left_spec
$(QUESTION_SPECS): $(call objects,engine/chamber.c engine/question.c engine/question_load.c engine/question_read.c)
$(QUESTION_SPECS): private LDLIBS += $(call links,luajit)
$(BUILD)/spec/core/question_spec: private CFLAGS += $(foreach f,malloc calloc realloc clock_gettime,-Wl,--wrap=$(f))

# This one counts what the way to an idle connection must not do.
$(BUILD)/spec/core/hit_spec: private CFLAGS += \
	$(foreach f,malloc calloc realloc free pthread_mutex_lock clock_gettime,-Wl,--wrap=$(f))

# This one has no memory to grow.
$(BUILD)/spec/core/histogram_spec: private CFLAGS += -Wl,--wrap=realloc

# This one runs out of threads.
$(BUILD)/spec/core/blocking_spec: private CFLAGS += -Wl,--wrap=pthread_create

# This one has memory that cannot be had or locked, and looks at what is given back.
$(BUILD)/spec/core/secret_spec: private CFLAGS += $(foreach f,mmap munmap mlock,-Wl,--wrap=$(f))

# This one is of the program, of which the library knows nothing.
$(BUILD)/spec/core/mailbox_spec: $(BUILD)/engine/mailbox.o

# This one loses the processor at a bad moment.
$(BUILD)/spec/core/loop_late_spec: private CFLAGS += -Wl,--wrap=uv_timer_start

$(PROXY): $(call objects,$(PROXY_C))
$(DESK): $(call objects,$(DESK_C))
$(PROXY) $(DESK):
	@echo LD spec/$(@F)
	@$(CC) $(CFLAGS) -o $@ $^

# This one counts what is ours.
$(BUILD)/bench/used: private CFLAGS += $(foreach f,malloc calloc realloc free strdup strndup,-Wl,--wrap=$(f))

# The probes that `make bench` runs. cas.so is the same peer for those in Lua.
$(BENCHES): $(BUILD)/bench/%: $(BUILD)/bench/%.o $(BUILD)/bench/stage.o $(BUILD)/bench/cas.o $(BUILD)/whole.o
	@echo LD bench/$*
	@$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS) $(call links,luajit)

$(BUILD)/bench/cas.so: bench/cas.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -shared -fPIC -o $@ $<

# A kind of their own, in a folder that NEBULA_PATH can name.
$(BUILD)/bench/kind/nebula-nothing.so: bench/kind/nebula-nothing.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -Iengine -shared -fPIC -o $@ $<

$(BUILD)/bench/kind/resources/nothing.lua: bench/kind/resources/nothing.lua
	@mkdir -p $(@D) && cp $< $@

bench-built: $(BENCHES) $(BUILD)/bench/cas.so $(BUILD)/bench/kind/nebula-nothing.so $(BUILD)/bench/kind/resources/nothing.lua
	@:

$(BUILD)/spec/%.o: private CFLAGS += -Ispec
$(BUILD)/%.o: %.c $(BUILD)/flags
	@echo CC $(patsubst engine/%,%,$<)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# They change when the flags do, and with them everything.
$(BUILD)/flags: SAYS = $(CFLAGS) $(PKG_CFLAGS) $(ENGINE_FLAGS) $(SHARED_FLAGS)
$(BUILD)/prefix: SAYS = $(PREFIX)
$(BUILD)/flags $(BUILD)/prefix: FORCE
	@mkdir -p $(@D)
	@echo '$(SAYS)' | cmp -s - $@ || echo '$(SAYS)' > $@

-include $(patsubst %.c,$(BUILD)/%.d,$(LIBRARY_C) $(PROGRAM_C) $(DECLARE_C) engine/drivers/given.c $(SPEC_C) $(SIM_C) $(SUPPORT_C) $(PROXY_C) $(DESK_C) $(wildcard bench/*.c))

# --- tests ------------------------------------------------------------------------------------------

SUITE := spec/support/suite.sh
ASAN := BUILD=build/asan OPTIMISE=-O1 \
	EXTRA="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
# LuaJIT and the libraries are not instrumented: a race in them is not seen, nor is a lock that one of them has without pthread.
# Ours are seen whoever calls them. A report goes to a file, because what a child says or ends with is not always looked at.
TSAN := BUILD=build/tsan OPTIMISE=-O1 EXTRA="-fsanitize=thread -fno-omit-frame-pointer"
COVERAGE := BUILD=build/coverage OPTIMISE=-O0 EXTRA=--coverage
export ASAN_OPTIONS ?= detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS ?= print_stacktrace=1
RACES := $(CURDIR)/build/log/tsan-races

test-built: specs
	+@$(MAKE_IN) $(ASAN) specs
	@{ sh spec/support/steps.sh build; sh spec/support/steps.sh build/asan faults kinds core rules lua hostile; } | \
		JOBS=$(JOBS) sh $(SUITE) build/log/test

tsan-built: export TSAN_OPTIONS ?= suppressions=$(CURDIR)/spec/support/tsan.supp:log_path=$(RACES)/race
tsan-built: specs
	@rm -rf $(RACES) && mkdir -p $(RACES)
	@sh spec/support/steps.sh $(BUILD) | JOBS=$(JOBS) sh $(SUITE) build/log/tsan; ran=$$?; \
	for race in $(RACES)/race.*; do [ ! -f "$$race" ] || { cat "$$race"; ran=1; }; done; exit $$ran

asan-built: specs
	@sh spec/support/steps.sh $(BUILD) | JOBS=$(JOBS) sh $(SUITE) build/log/asan

sim-built: specs
	@sh spec/support/steps.sh $(BUILD) sim | JOBS=$(JOBS) sh $(SUITE) build/log/sim

COVERED = gcovr --root . --object-directory $(BUILD) --sort-percentage --txt -
coverage-built: specs
	@find $(BUILD) -name '*.gcda' -delete
	@sh spec/support/steps.sh $(BUILD) | JOBS=$(JOBS) sh $(SUITE) build/log/coverage; ran=$$?; \
	$(COVERED) --filter 'engine/' --fail-under-line 85 && \
	$(COVERED) --filter 'engine/drivers/postgres' --fail-under-line 90 && exit $$ran

# --- lint -------------------------------------------------------------------------------------------

LINT_C := $(sort $(LIBRARY_C) $(PROGRAM_C) $(DECLARE_C) engine/drivers/given.c) $(PROXY_C) $(DESK_C)
FORMAT := $(shell find $(wildcard engine spec bench examples) -name '*.[ch]')
HEADERS := $(filter %.h,$(FORMAT))
# A spec ends where memory does, or an assertion fails, whatever it leaves then: there gcc's analyzer has nothing to say.
# Left out of clang-tidy, and why:
#   reserved-identifier            the linker's own words are __wrap_ and __real_
#   parameter-name                 whoever stands in for a function of libc has names for its parameters
#   signal-handler                 who dies says of which seed
#   Padding                        rows of a table are in the order in which they are read
#   Malloc                         see above
LINT_SPEC_C := $(filter-out $(PROXY_C) $(DESK_C),$(wildcard spec/*/*.c))
NOT_FOR_SPECS := -*-reserved-identifier,-*-parameter-name,-*-signal-handler,-*.Padding,-*.Malloc
# gcc's analyzer does not follow intrusive lists, where a node is the thing: what it says of leaks, of use after
# free and of NULL is left to clang's analyzer and the sanitizers.
ANALYZER := -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-use-after-free -Wno-analyzer-null-dereference
CPPCHECK := --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	--suppress=missingIncludeSystem -Iengine

lint-built: $(LINT_C:%=$(BUILD)/lint/%) $(LINT_SPEC_C:%=$(BUILD)/lint/%) lint-format lint-lua lint-libs lint-docs lint-abi

lint-format:
	@clang-format --dry-run -Werror $(FORMAT)

lint-lua:
	@luacheck --quiet $(wildcard lua resources policies spec bench examples)

lint-libs: all
	@sh spec/support/unused_libs.sh $(BUILD)/nebula $(ENGINE_LIBS) luajit
	@$(foreach d,$(DRIVERS),sh spec/support/unused_libs.sh $(BUILD)/nebula-$(d).so $($(d)_USES);)

lint-docs: all
	@sh docs/reference.sh $(BUILD)/reference && diff -ru docs/reference $(BUILD)/reference || \
		{ echo "docs/reference is not what the sources say: make docs"; exit 1; }

lint-abi:
	@luajit spec/library/abi.lua $(ABI) | cmp -s - spec/library/abi.txt || \
		{ echo "spec/library/abi.txt is not what the headers say: make abi"; exit 1; }

$(BUILD)/lint/%.c: %.c $(HEADERS) .clang-tidy
	@echo LINT $(patsubst engine/%,%,$<)
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- -std=c11 -D_GNU_SOURCE -Iengine $(PKG_CFLAGS) 2>$@.log || { cat $@.log; exit 1; }
	@cppcheck $(CPPCHECK) $<
	@$(CC) $(CFLAGS) $(PKG_CFLAGS) $(ANALYZER) -c -o /dev/null $<
	@touch $@

$(LINT_SPEC_C:%=$(BUILD)/lint/%): $(BUILD)/lint/%: % $(HEADERS) .clang-tidy
	@echo LINT $<
	@mkdir -p $(@D)
	@clang-tidy --quiet --checks='$(NOT_FOR_SPECS)' $< -- -std=c11 -D_GNU_SOURCE -Iengine -Ispec $(PKG_CFLAGS) 2>$@.log || \
		{ cat $@.log; exit 1; }
	@cppcheck $(CPPCHECK) $<
	@touch $@

# --- for people -------------------------------------------------------------------------------------

run: ## install what is missing, build, and run the main job: import a table and report on it
	@deploy/setup.sh run
	+@$(MAKE_IN) all
	@sh examples/run.sh

test: ## install what is missing, build, and run every test, sanitizers included
	@deploy/setup.sh run test
	+@$(MAKE_IN) test-built

prove: ## run the counts that take too long for make test; goes on where it was stopped
	@deploy/setup.sh run test
	+@$(MAKE_IN) specs
	@sh spec/support/prove.sh $(BUILD)

# The mutants must not take the processors from whoever works beside them.
mutants: ## plant small mistakes in the rules and in calls, which specs must find; goes on where it was stopped; ONLY=file
	@deploy/setup.sh run test
	+@$(MAKE_IN) specs
	@JOBS=$(JOBS) flock $(BUILD)/mutants.lock nice -n 10 $(BUILD)/nebula-lua spec/mutants/run.lua '$(CURDIR)' '$(abspath $(BUILD))' $(ONLY)

lint: ## clang-format, clang-tidy, cppcheck, gcc's analyzer, luacheck, unused libraries
	@deploy/setup.sh run lint
	+@$(MAKE_IN) --keep-going lint-built

floors: ## who may include whom; every header alone
	@deploy/setup.sh run
	@sh spec/support/floors.sh

long: ## no C function over 70 lines, no C file over 500, no Lua file over 300
	@sh spec/support/long.sh

format: ## lay out all C files
	@deploy/setup.sh lint
	@clang-format -i $(FORMAT)

asan: ## every spec under the address, leak and undefined behaviour sanitizers
	@deploy/setup.sh run test
	+@$(MAKE_IN) $(ASAN) asan-built

tsan: ## every spec under the thread sanitizer
	@deploy/setup.sh run test
	+@$(MAKE_IN) $(TSAN) tsan-built

sim: ## the whole engine in virtual time; SEED=n for one, SEEDS=n for that many
	@deploy/setup.sh run test
	+@$(MAKE_IN) sim-built

bench: ## measure against peers, a table and build/bench.json; ONLY=prefix for some rows
	@deploy/setup.sh run bench
	+@$(MAKE_IN) all
	+@$(MAKE_IN) bench-built
	@build/nebula-lua bench/run.lua $(ONLY)

bench-diff: ## is this slower than BASE=rev? the probes of both in turn, red beyond the noise; ONLY=prefix
	@deploy/setup.sh run bench
	+@$(MAKE_IN) all
	+@$(MAKE_IN) bench-built
	@sh bench/diff.sh '$(BASE)' '$(ONLY)'

coverage: ## lines of the engine that the specs run; fails under 85 percent, 90 of the PostgreSQL driver
	@deploy/setup.sh run test coverage
	+@$(MAKE_IN) $(COVERAGE) coverage-built

docs: ## write the reference pages from the tables in the sources
	@deploy/setup.sh run
	+@$(MAKE_IN) all
	@sh docs/reference.sh

INSTALL = BUILD=$(BUILD) PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) DESTDIR=$(DESTDIR) VERSION=$(VERSION) ABI=$(ABI) sh deploy/install.sh

install: all ## put the program and the library into PREFIX (/usr/local); LIBDIR and DESTDIR are heard too
	+@flock $(BUILD)/.lock $(MAKE_IN) $(ARCHIVE)
	@$(INSTALL) install

uninstall: ## remove what install has put there
	@$(INSTALL) uninstall

# A build of its own, for another PREFIX.
DEB := build/deb
deb: ## build the Debian packages nebula-resource and nebula-resource-dev, in build/deb
	@deploy/setup.sh run deb
	@rm -rf $(DEB)/root
	+@$(MAKE_IN) BUILD=$(DEB) PREFIX=/usr LIBDIR=/usr/lib/$$(gcc -print-multiarch) DESTDIR=$(DEB)/root install
	@VERSION=$(VERSION) ABI=$(ABI) sh deploy/deb.sh $(DEB)/root $(DEB)

deb-try: deb ## install them on a clean Debian 12 in a temporary folder, and run them; as root
	@deploy/setup.sh deb
	@sh deploy/deb_try.sh $(DEB)

abi: ## write down what programs rely on (spec/library/abi.txt)
	@luajit spec/library/abi.lua $(ABI) > spec/library/abi.txt

clean: ## remove all that was made
	@rm -rf build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  BUILD=folder builds aside; EXTRA=flags adds flags; JOBS=n is for n processors."

FORCE:
.PHONY: FORCE all specs built built-specs test-built asan-built tsan-built sim-built coverage-built lint-built bench-built \
	lint-format lint-lua lint-libs lint-docs lint-abi run \
	install uninstall deb deb-try abi test prove mutants lint floors long format asan tsan sim bench bench-diff \
	coverage docs clean help
.SECONDARY:
.DELETE_ON_ERROR:
