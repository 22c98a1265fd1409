# SPDX-License-Identifier: MIT
# One program for each tests/unit/LAYER_*.c and tests/netns/LAYER_*.c, linked
# with its layer's sources and those below. A file without a layer's prefix
# (netns.c) is a helper, linked with all tests of its folder.

base_srcs ?= $(wildcard host/base/*.c)

test_layer_shared := $(shared_srcs)
test_layer_base := $(test_layer_shared) $(base_srcs)
test_layer_net := $(test_layer_base) $(net_srcs)
test_layer_bake := $(test_layer_base) $(bake_srcs)
test_layer_vmm := $(test_layer_base) $(vmm_srcs)
test_layer_core := $(sort $(test_layer_net) $(vmm_srcs) $(core_srcs))
test_layer_bench := $(sort $(test_layer_core) $(bench_srcs))
test_layer_agent := $(test_layer_shared) \
	$(filter-out guest-agent/main.c,$(agent_srcs))

test_layers := shared base net bake vmm core bench agent
test_folders := unit netns
test_srcs := $(foreach f,$(test_folders),$(foreach l,$(test_layers),\
	$(wildcard tests/$f/$l_*.c)))
test_helpers = $(filter-out $(foreach l,$(test_layers),tests/$1/$l_%),\
	$(wildcard tests/$1/*.c))
test_layer = $(firstword $(subst _, ,$(notdir $1)))
test_progs := $(test_srcs:%.c=$(BUILD)/%)
test_objs = $(patsubst %.c,$(BUILD)/obj/%.o,$1 \
	$(call test_helpers,$(patsubst tests/%/,%,$(dir $1))) \
	$(test_layer_$(call test_layer,$1)))

# The agent's sources want libmnl, for the guest and for its tests alike.
test_mnl := $(BUILD)/deps/libmnl
$(BUILD)/obj/guest-agent/%.o $(BUILD)/obj/tests/%.o: \
	HOST_CPPFLAGS += -Iguest-agent -Itests -I$(test_mnl)/include
$(patsubst %.c,$(BUILD)/obj/%.o,$(agent_srcs) $(test_srcs)): \
	| $(test_mnl)/libmnl.a

define test_rule
$(BUILD)/$(1:%.c=%): $(call test_objs,$1) | $(test_mnl)/libmnl.a
	$$(call msg,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HOST_LDFLAGS) $$(CFLAGS) $$(LDFLAGS) -o $$@ \
		$$(filter %.o,$$^) $$(HOST_LIBS) -lcmocka \
		$(if $(filter agent,$(call test_layer,$1)),$(test_mnl)/libmnl.a)
endef
$(foreach s,$(test_srcs),$(eval $(call test_rule,$s)))

# Fuzzers: clang's libFuzzer with sanitizers of its own, sources compiled anew. One
# whose name begins with a layer's is linked with its sources, else with shared/.
fuzz_srcs := $(wildcard tests/fuzz/*.c)
fuzz_progs := $(fuzz_srcs:%.c=$(BUILD)/%)
FUZZ_CC ?= clang
FUZZ_CFLAGS := -std=gnu11 -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
fuzz_layer = $(or $(filter $(test_layers),$(call test_layer,$1)),shared)

$(BUILD)/obj/fuzz/%.o: %.c
	$(call msg,FUZZ-CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(HOST_CPPFLAGS) -Itests $(FUZZ_CFLAGS) -c -o $@ $<

define fuzz_rule
$(BUILD)/$(1:%.c=%): $(patsubst %.c,$(BUILD)/obj/fuzz/%.o,$1 \
		$(test_layer_$(call fuzz_layer,$1)))
	$$(call msg,FUZZ,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(FUZZ_CC) $$(FUZZ_CFLAGS) -fsanitize=fuzzer -o $$@ $$^ \
		$(if $(filter-out shared,$(call fuzz_layer,$1)),$$(HOST_LIBS))
endef
$(foreach s,$(fuzz_srcs),$(eval $(call fuzz_rule,$s)))

tests: $(filter $(BUILD)/tests/unit/%,$(test_progs)) \
	$(filter $(BUILD)/tests/netns/%,$(test_progs))

# What whole-VM tests need beside the product: programs that write mail with
# faults, take images as no guest has them taken and judge them, libraries that spoil
# what vmfork writes or kill it, one that stands in for QEMU, and programs for a
# guest.
vm_preload := $(patsubst %,$(BUILD)/tests/vm/%.so,held spoil strike tapless)
vm_host := $(patsubst %,$(BUILD)/tests/vm/%,busy mailpage moment older onepause postmail)
vm_guest := $(patsubst %,$(BUILD)/tests/vm/guest/%,decoy diskwork draw invariant \
	kmod kmod_clock rawsend talk)

$(vm_host): $(BUILD)/%: $(BUILD)/obj/%.o \
		$(patsubst %.c,$(BUILD)/obj/%.o,$(test_layer_core))
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $(CFLAGS) $(HOST_LDFLAGS) $(LDFLAGS) \
		-o $@ $^ $(HOST_LIBS) -pthread

$(vm_preload): $(BUILD)/tests/vm/%.so: tests/vm/%.c $(shared_srcs)
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -Ishared $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) \
		$(LDFLAGS) -fPIC -shared -o $@ $^

$(vm_guest): $(BUILD)/tests/vm/guest/%: $(guest_dir)/tests/vm/guest/%.o \
		$(patsubst %.c,$(guest_dir)/%.o,$(shared_srcs))
	$(call msg,LD-MUSL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(guest_cflags) $(guest_ldflags) -s -o $@ $^

# By itself, for it is started a thousand times.
$(BUILD)/tests/vm/standin: tests/vm/standin.c
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) \
		-static -o $@ $^

# As a user would build it.
$(BUILD)/tests/vm/post: shared/example/post.c $(BUILD)/libvmfork.a
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -Ishared $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^

tests-vm: $(vm_host) $(vm_preload) $(vm_guest) $(BUILD)/tests/vm/post $(BUILD)/tests/vm/standin \
	modules-all

# Builds of the same tree in another directory share what was fetched.
$(BUILD)/san/deps:
	$(Q)mkdir -p $(@D)
	$(Q)ln -s ../deps $@

tests-san: $(BUILD)/san/deps $(fuzz_progs)
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/san \
		SAN=address,undefined CFLAGS='-O1 -g' tests

RUN := BUILD=$(BUILD) $(if $(TESTS),TESTS='$(TESTS)') $(if $(LANES),LANES=$(LANES)) tests/run

# Real guests. Their packages are set up and fetched apart, and kept.
guests := $(BUILD)/guests
guest_images := $(guests)/debian/root.tar $(guests)/openrc/root.tar

# Set-up may bring the very tools that the next rules want: a make of its own,
# with as many jobs as there are lanes, if nobody said how many. GUESTS=1 takes in real
# guests: what CI runs. Their images wait for the network mostly, so they are begun
# first, and have a job to themselves.
check: setup
	$(if $(GUESTS),$(Q)BUILD=$(BUILD) host/packaging/deps.sh guests)
	$(Q)$(MAKE) --no-print-directory \
		$(if $(filter -j%,$(MAKEFLAGS)),,-j$(if $(GUESTS),3,$(or $(LANES),2))) \
		check-run

check-run: $(if $(GUESTS),$(guest_images)) all guest tests tests-vm tests-san
	$(Q)$(RUN) unit netns static san vm $(if $(GUESTS),guests)

check-unit: $(filter $(BUILD)/tests/unit/%,$(test_progs))
	$(Q)$(RUN) unit

check-netns: $(filter $(BUILD)/tests/netns/%,$(test_progs))
	$(Q)$(RUN) netns

check-vm: all guest tests-vm
	$(Q)$(RUN) vm

$(guests)/debian/root.tar: tests/guests/make-debian $(BUILD)/kernels/6.12/version \
		$(shell find tests/guests/debian tests/guests/common -type f)
	$(call msg,GUEST,$@)
	$(Q)BUILD=$(BUILD) host/packaging/deps.sh guests
	$(Q)BUILD=$(BUILD) $< $(@D)

# One after the other: they may share apt's lists.
$(guests)/openrc/root.tar: tests/guests/make-openrc \
		$(shell find tests/guests/openrc tests/guests/common -type f) \
		| $(if $(GUESTS),$(guests)/debian/root.tar)
	$(call msg,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)BUILD=$(BUILD) $< $@

check-guests: all guest $(guest_images)
	$(Q)$(MAKE) --no-print-directory KERNEL=6.12 modules
	$(Q)$(RUN) guests

# Machines that have nothing yet, and what the README tells to type there.
SUITES ?= bookworm trixie
COMMANDS ?= demo check
clean_roots = $(SUITES:%=$(BUILD)/clean/%.tar)

$(BUILD)/clean/%.tar: tests/clean/make-root
	$(call msg,ROOT,$@)
	$(Q)BUILD=$(BUILD) host/packaging/deps.sh clean
	$(Q)BUILD=$(BUILD) $< $* $@

clean-roots: $(clean_roots)

check-clean: $(clean_roots)
	$(Q)BUILD=$(BUILD) tests/clean/run $(SUITES) -- $(COMMANDS)

# The packages there: installed, used and purged.
check-packages: $(clean_roots) deb
	$(Q)BUILD=$(BUILD) tests/clean/packages $(SUITES)

signals-table: all guest tests-vm
	$(Q)BUILD=$(BUILD) tests/table/signals.sh $(MODULE_KERNELS)

check-static: all guest
	$(Q)$(RUN) static

check-san: tests-san
	$(Q)$(RUN) san

# Those that do more where LONG is set, or do it for more kernels.
long_tests := agent branch branch-faults burst busy disk-faults distinct kmod-clock kmod-device \
	kmod-machine kmod-page quiesce reboot sizes tls told workload

check-long: $(fuzz_progs) all guest tests tests-vm
	$(Q)$(RUN) long
	$(Q)BUILD=$(BUILD) LONG=1 \
		TESTS='@(unit/bake_fault|static/lint|vm/@($(subst $() ,|,$(long_tests)))@*)' \
		tests/run unit static vm

.PHONY: tests tests-vm tests-san check check-run check-unit check-netns check-vm \
	check-static check-san check-long check-guests check-clean \
	clean-roots check-packages signals-table
