# SPDX-License-Identifier: MIT
# The test guest, one for each kernel: $(BUILD)/guest-KERNEL.cpio.gz
initramfs_deps := initramfs/build.sh $(shell find initramfs/root -type f)

# What benchmarks run in it.
pulse_srcs := initramfs/page.c initramfs/pulse.c
standin_srcs := initramfs/page.c initramfs/standin.c \
	initramfs/standin_wake.c initramfs/standin_way.c $(shared_srcs)
guest_programs := pulse standin
guest_program_objs := $(sort $(foreach p,$(guest_programs),\
	$($p_srcs:%.c=$(BUILD)/guest/%.o)))

define guest_program_rule
$(BUILD)/guest/$1: $($1_srcs:%.c=$(BUILD)/guest/%.o)
	$$(call msg,LD-MUSL,$$@)
	$$(Q)$$(GUEST_CC) $$(guest_cflags) $$(guest_ldflags) -s -o $$@ $$^
endef
$(foreach p,$(guest_programs),$(eval $(call guest_program_rule,$p)))

guest_deps := $(BUILD)/vmfork-agent $(guest_programs:%=$(BUILD)/guest/%) \
	$(initramfs_deps)
guest_build = initramfs/build.sh --kernel $(BUILD)/kernels/$* \
	--agent $(BUILD)/vmfork-agent --out $@ \
	$(foreach p,$(guest_programs),--add /bin/$p=$(BUILD)/guest/$p)

$(BUILD)/guest-%.cpio.gz: $(guest_deps) $(BUILD)/kernels/%/version
	$(call msg,CPIO,$@)
	$(Q)$(guest_build)

# With our kernel modules, as far as they can be built for that kernel.
$(BUILD)/guest-modules-%.cpio.gz: $(guest_deps) $(BUILD)/kernels/%/version \
		$(BUILD)/modules/%/.done
	$(call msg,CPIO,$@)
	$(Q)$(guest_build) $$(find $(BUILD)/modules/$* -maxdepth 1 \
		-name '*.ko' -printf '--module %p\n' | sort)

-include $(guest_program_objs:.o=.d)

guest: $(KERNELS:%=$(BUILD)/guest-%.cpio.gz)

initramfs: $(BUILD)/guest-$(KERNEL).cpio.gz

.PHONY: guest initramfs
