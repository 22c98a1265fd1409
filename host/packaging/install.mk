# SPDX-License-Identifier: MIT
# What is installed, and where: `make install`, and `make uninstall`, which takes away
# just that. The agent is no program of the host's: it is data to bake into images.
VMFORK_VERSION ?= 0.1
prefix ?= /usr/local
exec_prefix ?= $(prefix)
bindir ?= $(exec_prefix)/bin
libdir ?= $(exec_prefix)/lib
pkglibdir ?= $(exec_prefix)/lib/vmfork
includedir ?= $(prefix)/include
datarootdir ?= $(prefix)/share
datadir ?= $(datarootdir)
docdir ?= $(datarootdir)/doc/vmfork
mandir ?= $(datarootdir)/man
INSTALL ?= install

examples = $(docdir)/examples
# Those that were built, for `vmfork bake --modules KERNEL`: of one kernel each, and so
# no part of the Debian packages, which have their source for DKMS.
modules_built = $(patsubst $(BUILD)/modules/%/version,%,$(wildcard $(BUILD)/modules/*/version))
module_files := version vmfork_mailbox.ko vmfork_vmclock.ko

built := $(addprefix $(BUILD)/,vmfork vmfork-agent vmfork-mailbox.7 libvmfork.a vmfork.pc)

# MODE, DIRECTORY, FILES
define put
	$(INSTALL) -D -m $(1) -t $(DESTDIR)$(2) $(3)

endef
define take
	rm -f $(addprefix $(DESTDIR)$(2)/,$(notdir $(3)))

endef

# With put or take.
define each
$(call $(1),755,$(bindir),$(BUILD)/vmfork)
$(call $(1),755,$(pkglibdir),$(BUILD)/vmfork-agent)
$(call $(1),755,$(pkglibdir)/hooks,$(wildcard guest-agent/hooks/*))
$(call $(1),644,$(pkglibdir)/init,$(wildcard guest-agent/init/*))
$(call $(1),644,$(mandir)/man1,host/vmfork.1)
$(call $(1),644,$(mandir)/man7,$(BUILD)/vmfork-mailbox.7)
$(call $(1),644,$(mandir)/man8,guest-agent/vmfork-agent.8)
$(call $(1),644,$(datadir)/bash-completion/completions,host/packaging/bash-completion/vmfork)
$(call $(1),644,$(libdir),$(BUILD)/libvmfork.a)
$(call $(1),644,$(libdir)/pkgconfig,$(BUILD)/vmfork.pc)
$(call $(1),644,$(includedir)/vmfork,$(shared_headers))
$(call $(1),644,$(examples),$(wildcard shared/example/*))
$(call $(1),755,$(examples),host/demo.sh)
$(call $(1),755,$(examples)/guest,initramfs/build.sh)
$(call $(1),755,$(examples)/guest/root,initramfs/root/init)
$(call $(1),755,$(examples)/guest/root/etc/udhcpc,initramfs/root/etc/udhcpc/default.script)
$(call $(1),644,$(examples)/guest/root/etc,initramfs/root/etc/profile)
endef

install: $(built)
	$(call each,put)
	$(foreach k,$(modules_built),$(call put,644,$(pkglibdir)/modules/$k,\
		$(addprefix $(BUILD)/modules/$k/,$(module_files))))

# Of the directories only ours: an empty bin/ may have been there before. Modules may
# have been built for other kernels since.
uninstall:
	$(call each,take)
	for dir in $(DESTDIR)$(pkglibdir)/modules/*; do \
		[ -d "$$dir" ] || continue; \
		(cd "$$dir" && rm -f $(module_files)) && \
			rmdir --ignore-fail-on-non-empty "$$dir"; done
	for dir in $(addprefix $(DESTDIR),$(pkglibdir)/modules $(pkglibdir)/hooks \
		$(pkglibdir)/init $(pkglibdir) $(includedir)/vmfork \
		$(addprefix $(examples)/guest/,root/etc/udhcpc root/etc root) \
		$(examples)/guest $(examples) $(docdir)); do \
		[ ! -d "$$dir" ] || rmdir --ignore-fail-on-non-empty "$$dir"; done

# The Debian packages, in $(BUILD)/deb.
deb: $(GUEST_LIBMNL) $(BUILD)/vmfork-mailbox.7
	$(Q)BUILD=$(BUILD) host/packaging/deps.sh deb
	$(Q)BUILD=$(BUILD) host/packaging/deb.sh $(VMFORK_VERSION)

.PHONY: install uninstall deb
