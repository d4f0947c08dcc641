# nebula: every command of the project. `make help` lists them.
#
# A target with ## behind it is for people. All that is made lies under $(BUILD), logs in $(BUILD)/log.
# Another folder (make BUILD=build/mine) is a build of its own; the sanitizers and coverage have theirs.

BUILD ?= build
CC := gcc
JOBS := $(shell nproc)
MAKE_IN = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

# --- flags ------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wpedantic -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wwrite-strings -Werror
OPTIMISE ?= -O2
EXTRA ?=
CFLAGS = -std=c11 -D_GNU_SOURCE $(WARN) $(OPTIMISE) -g -pthread -Iengine $(EXTRA)
# Other people's headers are system headers: our warnings are for our code.
uses = $(shell pkg-config --cflags $(1) 2>/dev/null | sed 's/-I/-isystem /g')
links = $(shell pkg-config --libs $(1) 2>/dev/null)
ENGINE_LIBS := libuv libpq sqlite3 jansson
PKG_CFLAGS := $(call uses,$(ENGINE_LIBS) luajit)
LDLIBS := -Wl,--as-needed $(call links,$(ENGINE_LIBS)) -lm
LUA_LIBS := $(call links,luajit)
SPEC_LIBS := $(call links,cmocka)

# --- what is built ----------------------------------------------------------------------------------

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

LIBRARY_C := engine/nebula.c $(wildcard engine/base/*.c engine/rules/*.c engine/core/*.c engine/drivers/*.c)
LIBRARY_C := $(wildcard $(LIBRARY_C))
PROGRAM_C := $(filter-out engine/nebula.c,$(wildcard engine/*.c))
LIBRARY := $(BUILD)/libnebula.a
PROGRAMS := $(if $(wildcard engine/main.c),$(BUILD)/nebula $(BUILD)/nebula-lua)

# Specs link the library. Those of the simulation link the same engine on another loop, without drivers.
SPEC_C := $(wildcard spec/rules/*_spec.c spec/core/*_spec.c spec/kinds/*_spec.c spec/sim/*_spec.c)
SIM_SPEC_C := $(filter spec/sim/%_spec.c spec/core/%_sim_spec.c,$(SPEC_C))
SIM_C := $(filter-out engine/core/loop_uv.c engine/core/blocking.c engine/drivers/%,$(LIBRARY_C)) \
	$(filter-out %_spec.c,$(wildcard spec/sim/*.c))
SUPPORT_C := $(filter-out spec/support/proxy.c,$(wildcard spec/support/*.c))
SPECS := $(SPEC_C:%.c=$(BUILD)/%)
SIM_SPECS := $(SIM_SPEC_C:%.c=$(BUILD)/%)
SIM_LIBRARY := $(BUILD)/libsim.a
SUPPORT := $(if $(SUPPORT_C),$(BUILD)/libsupport.a)
PROXY := $(if $(wildcard spec/support/proxy.c),$(BUILD)/spec/proxy)

# Two makes in one folder wait for each other instead of writing the same files.
all: ## build the library and the program (the default)
	@mkdir -p $(BUILD) && flock $(BUILD)/.lock $(MAKE_IN) built

specs:
	@mkdir -p $(BUILD) && flock $(BUILD)/.lock $(MAKE_IN) built built-specs

built: $(LIBRARY) $(PROGRAMS)
built-specs: $(SPECS) $(PROXY)

$(LIBRARY): $(call objects,$(LIBRARY_C))
$(SIM_LIBRARY): $(call objects,$(SIM_C))
$(BUILD)/libsupport.a: $(call objects,$(SUPPORT_C))
$(BUILD)/%.a:
	@echo AR $(@F)
	@rm -f $@ && ar rcs $@ $^

# The FFI looks for nebula_* in the program itself, whoever else uses them.
$(BUILD)/nebula: $(call objects,$(PROGRAM_C)) $(LIBRARY)
	@echo LD $(@F)
	@$(CC) $(CFLAGS) -rdynamic -o $@ $(call objects,$(PROGRAM_C)) \
		-Wl,--whole-archive $(LIBRARY) -Wl,--no-whole-archive $(LDLIBS) $(LUA_LIBS)

$(BUILD)/nebula-lua: $(BUILD)/nebula
	@ln -f $< $@

$(SIM_SPECS): $(BUILD)/%: $(BUILD)/%.o $(SUPPORT) $(SIM_LIBRARY)
	@echo LD $*
	@$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS) $(SPEC_LIBS)

$(filter-out $(SIM_SPECS),$(SPECS)): $(BUILD)/%: $(BUILD)/%.o $(SUPPORT) $(LIBRARY)
	@echo LD $*
	@$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS) $(SPEC_LIBS)

$(BUILD)/spec/proxy: $(BUILD)/spec/support/proxy.o
	@echo LD spec/proxy
	@$(CC) $(CFLAGS) -o $@ $<

$(BUILD)/spec/%.o: CFLAGS += -Ispec
$(BUILD)/%.o: %.c $(BUILD)/flags
	@echo CC $(patsubst engine/%,%,$<)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# Changes when the flags do, and with it everything.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CFLAGS) $(PKG_CFLAGS)' | cmp -s - $@ || echo '$(CFLAGS) $(PKG_CFLAGS)' > $@

-include $(patsubst %.c,$(BUILD)/%.d,$(LIBRARY_C) $(PROGRAM_C) $(SPEC_C) $(SIM_C) $(SUPPORT_C) spec/support/proxy.c)

# --- for people -------------------------------------------------------------------------------------

clean: ## remove all that was made
	@rm -rf build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

FORCE:
.PHONY: FORCE all specs built built-specs clean help
.SECONDARY:
.DELETE_ON_ERROR:
