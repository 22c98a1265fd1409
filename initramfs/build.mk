# SPDX-License-Identifier: MIT
# The test guest, one for each kernel: $(BUILD)/guest-KERNEL.cpio.gz
initramfs_deps := initramfs/build.sh $(shell find initramfs/root -type f)

$(BUILD)/guest-%.cpio.gz: $(BUILD)/vmfork-agent $(BUILD)/kernels/%/version \
		$(initramfs_deps)
	$(call msg,CPIO,$@)
	$(Q)initramfs/build.sh --kernel $(BUILD)/kernels/$* \
		--agent $(BUILD)/vmfork-agent --out $@

guest: $(KERNELS:%=$(BUILD)/guest-%.cpio.gz)

initramfs: $(BUILD)/guest-$(KERNEL).cpio.gz

.PHONY: guest initramfs
