# SPDX-License-Identifier: MIT
# The kernel modules: $(BUILD)/modules/KERNEL/*.ko, for each of MODULE_KERNELS.
kmod_srcs := guest-kmod/vmfork_mailbox.c guest-kmod/vmfork_vmclock.c
kmod_deps := $(kmod_srcs) guest-kmod/vmfork_kernel.h guest-kmod/Kbuild \
	guest-kmod/build.sh shared/vmfork_mailbox.h

$(BUILD)/headers/%/version: $(BUILD)/kernels/%/version
	$(Q)BUILD=$(BUILD) host/packaging/fetch.sh headers $*

$(BUILD)/modules/%/.done: $(BUILD)/headers/%/version $(kmod_deps)
	$(call msg,KBUILD,$(@D))
	$(Q)BUILD=$(BUILD) guest-kmod/build.sh $*
	$(Q)touch $@

modules: $(BUILD)/modules/$(KERNEL)/.done

modules-all: $(MODULE_KERNELS:%=$(BUILD)/modules/%/.done)

modules_install: modules
	$(Q)BUILD=$(BUILD) guest-kmod/build.sh install $(KERNEL) \
		'$(INSTALL_MOD_PATH)'

# What dkms wants: all in one directory, which is then `dkms add`ed.
kmod_dkms = $(DESTDIR)/usr/src/vmfork-$(VMFORK_VERSION)
dkms_install:
	$(INSTALL) -d $(kmod_dkms)
	$(INSTALL) -m 644 guest-kmod/Kbuild guest-kmod/dkms.conf $(kmod_srcs) \
		guest-kmod/vmfork_kernel.h shared/vmfork_mailbox.h $(kmod_dkms)

.PHONY: modules modules-all modules_install dkms_install
