# SPDX-License-Identifier: MIT
#
# vmfork. `make help` lists the targets.
#
# CFLAGS, CPPFLAGS and LDFLAGS are the user's; what we need stands in BASE_*.
# V=1 shows the commands, WERROR=1 makes warnings errors, SAN=address,undefined
# builds the host side with sanitizers.
#
# Each folder's build.mk names its sources: shared_srcs, base_srcs, net_srcs,
# vmm_srcs, core_srcs, agent_srcs and so on. A source FOLDER/FILE.c of the host
# side is compiled to $(BUILD)/obj/FOLDER/FILE.o by the one rule below.

BUILD ?= build
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
msg = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))')

CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
BASE_CFLAGS := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wno-format-nonliteral \
	-fno-strict-aliasing -ffile-prefix-map=$(CURDIR)=. \
	$(if $(WERROR),-Werror)
BASE_CPPFLAGS := -D_GNU_SOURCE -MMD -MP

# The host side: libraries are looked up once, and only when something needs
# them, so that `make setup` runs on a machine that has none yet.
HOST_PACKAGES := libnl-3.0 libnl-route-3.0 libnftables jansson
HOST_PKG_CFLAGS = $(eval HOST_PKG_CFLAGS := \
	$(shell $(PKG_CONFIG) --cflags $(HOST_PACKAGES)))$(HOST_PKG_CFLAGS)
HOST_PKG_LIBS = $(eval HOST_PKG_LIBS := \
	$(shell $(PKG_CONFIG) --libs $(HOST_PACKAGES)))$(HOST_PKG_LIBS)
HOST_SAN := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer)
HOST_CPPFLAGS = $(BASE_CPPFLAGS) -Ihost -Ishared $(HOST_PKG_CFLAGS)
HOST_CFLAGS := $(BASE_CFLAGS) $(HOST_SAN)
HOST_LDFLAGS := $(HOST_SAN)
HOST_LIBS = $(HOST_PKG_LIBS)

KERNEL ?= 6.12
KERNELS := 6.12 7.2
# The modules are for older ones too.
MODULE_KERNELS := 6.1 $(KERNELS)

all: $(if $(wildcard host/build.mk),vmfork) \
	$(if $(wildcard guest-agent/build.mk),agent)

$(BUILD)/obj/%.o: %.c
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CPPFLAGS) $(CPPFLAGS) $(HOST_CFLAGS) $(CFLAGS) \
		-c -o $@ $<

include shared/build.mk
-include $(or $(wildcard host/build.mk),$(wildcard host/*/build.mk))
-include guest-agent/build.mk
include guest-kmod/build.mk
include initramfs/build.mk
include host/packaging/install.mk
include tests/build.mk
-include $(if $(wildcard $(BUILD)/obj),$(shell find $(BUILD)/obj -name '*.d'))

help:
	@echo 'vmfork: forks running VMs, each with a network identity of its own'
	@echo
	@echo '  make demo            boot a VM, fork it 4 times, ping every fork'
	@echo '  make demo ROOTLESS=1 the same in a user and network namespace'
	@echo '  make check           all tests'
	@echo '  make check GUESTS=1  these, and real guests: what CI runs'
	@echo
	@echo '  all                  vmfork and vmfork-agent (the default)'
	@echo '  setup                install packages, fetch kernels and headers'
	@echo '  guest                initramfs of the test guest, each kernel'
	@echo '  initramfs KERNEL=V   initramfs for one kernel: $(KERNELS)'
	@echo '  modules KERNEL=V     kernel modules for one kernel: $(MODULE_KERNELS)'
	@echo '  modules-all          for each of them'
	@echo '  modules_install      INSTALL_MOD_PATH=$(INSTALL_MOD_PATH)'
	@echo '  dkms_install         their sources, for DKMS'
	@echo '  check-unit           unit tests, seconds'
	@echo '  check-netns          tests in private network namespaces'
	@echo '  check-vm             tests with whole VMs'
	@echo '  check-guests         real guests: systemd, OpenRC, busybox; minutes'
	@echo '  check-clean          the two above in bare roots: SUITES="bookworm trixie"'
	@echo '  check-packages       Debian packages in bare roots, likewise'
	@echo '  check-static         format, layers, linters, same bytes twice'
	@echo '  check-san            unit and netns tests with sanitizers, fuzzers'
	@echo '  check-long           fuzzers for minutes, modules thousands of times'
	@echo '  signals-table        which signal wakes a fork on which kernel'
	@echo '  results-ack          measure handoffs, write host/bench/RESULTS-ack.md'
	@echo '  results-burst        measure bursts, write host/bench/RESULTS-burst.md'
	@echo '  results-pause        measure branches, write host/bench/RESULTS-pause.md'
	@echo '  install, uninstall   DESTDIR=$(DESTDIR) prefix=$(prefix)'
	@echo '  deb                  Debian packages, in $(BUILD)/deb'
	@echo '  format               clang-format all sources'
	@echo '  compile_commands.json  for clangd and other tools'
	@echo '  clean                remove what was built, keep downloads'
	@echo '  distclean            remove $(BUILD)/'
	@echo
	@echo '  V=1 shows commands, WERROR=1, SAN=address,undefined, TESTS=pattern, LANES=1'

setup: setup-packages
	$(Q)$(MAKE) --no-print-directory fetched FETCH='$(MODULE_KERNELS)' \
		FETCH_HEADERS='$(MODULE_KERNELS)'

# What the demo and a guest of one kernel need: a quarter of all.
setup-guest: setup-packages
	$(Q)$(MAKE) --no-print-directory fetched FETCH='$(KERNEL)'

fetched: $(BUILD)/deps/libmnl/libmnl.a $(FETCH:%=$(BUILD)/kernels/%/version) \
		$(FETCH_HEADERS:%=$(BUILD)/headers/%/version)
	@:

setup-packages:
	$(Q)BUILD=$(BUILD) host/packaging/deps.sh

$(BUILD)/deps/libmnl/libmnl.a:
	$(Q)BUILD=$(BUILD) host/packaging/fetch.sh libmnl

$(BUILD)/kernels/%/version:
	$(Q)BUILD=$(BUILD) host/packaging/fetch.sh kernel $*

demo: setup-guest
	$(Q)$(MAKE) --no-print-directory demo-run

demo-run: vmfork initramfs
	$(Q)VMFORK=$(BUILD)/vmfork \
		VMFORK_KERNEL=$(BUILD)/kernels/$(KERNEL)/vmlinuz \
		VMFORK_INITRD=$(BUILD)/guest-$(KERNEL).cpio.gz \
		$(if $(ROOTLESS),unshare --user --map-root-user --net --mount) \
		host/demo.sh

C_FOLDERS := shared host guest-agent guest-kmod initramfs tests

format:
	$(Q)find $(C_FOLDERS) -name '*.[ch]' -exec clang-format -i {} +

# What the compiler would be called with, as make itself says it.
compile_commands.json:
	$(Q)$(MAKE) --no-print-directory -Bnk V=1 all tests 2>/dev/null | \
		tests/static/compile-commands >$@

clean:
	$(Q)for path in $(BUILD)/*; do case $$path in \
		*/apt|*/downloads|*/kernels|*/headers|*/deps) ;; \
		*) rm -rf "$$path";; esac; done
	$(Q)rm -f compile_commands.json

distclean:
	$(Q)rm -rf $(BUILD) compile_commands.json

.PHONY: all help setup setup-guest setup-packages fetched demo demo-run format \
	clean distclean compile_commands.json vmfork agent
.SECONDARY:
.DELETE_ON_ERROR:
