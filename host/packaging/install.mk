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
$(call $(1),644,$(docdir)/examples,$(wildcard shared/example/*))
endef

install: $(built)
	$(call each,put)

uninstall:
	$(call each,take)
	-rmdir $(DESTDIR)$(pkglibdir)/hooks $(DESTDIR)$(pkglibdir)/init $(DESTDIR)$(pkglibdir) \
		$(DESTDIR)$(includedir)/vmfork $(DESTDIR)$(docdir)/examples $(DESTDIR)$(docdir)

# The Debian packages, in $(BUILD)/deb.
deb: $(GUEST_LIBMNL) $(BUILD)/vmfork-mailbox.7
	$(Q)BUILD=$(BUILD) host/packaging/deps.sh deb
	$(Q)BUILD=$(BUILD) host/packaging/deb.sh $(VMFORK_VERSION)

.PHONY: install uninstall deb
