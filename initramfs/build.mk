# SPDX-License-Identifier: MIT
# The test guest, one for each kernel: $(BUILD)/guest-KERNEL.cpio.gz
initramfs_deps := initramfs/build.sh $(shell find initramfs/root -type f)

# What benchmarks run in it.
$(BUILD)/guest/pulse: $(BUILD)/guest/initramfs/pulse.o
	$(call msg,LD-MUSL,$@)
	$(Q)$(GUEST_CC) $(guest_cflags) $(guest_ldflags) -s -o $@ $^

$(BUILD)/guest-%.cpio.gz: $(BUILD)/vmfork-agent $(BUILD)/guest/pulse \
		$(BUILD)/kernels/%/version $(initramfs_deps)
	$(call msg,CPIO,$@)
	$(Q)initramfs/build.sh --kernel $(BUILD)/kernels/$* \
		--agent $(BUILD)/vmfork-agent --out $@ \
		--add /bin/pulse=$(BUILD)/guest/pulse

-include $(BUILD)/guest/initramfs/pulse.d

guest: $(KERNELS:%=$(BUILD)/guest-%.cpio.gz)

initramfs: $(BUILD)/guest-$(KERNEL).cpio.gz

.PHONY: guest initramfs
