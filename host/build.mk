# SPDX-License-Identifier: MIT
# The vmfork command. Layers, from the ground up: base; net and vmm, which do
# not know each other; bake, which needs base alone; core; bench; cmd; main.
include host/base/build.mk
include host/net/build.mk
include host/vmm/build.mk
include host/core/build.mk
include host/bake/build.mk
include host/bench/build.mk
include host/cmd/build.mk

host_srcs := $(base_srcs) $(net_srcs) $(vmm_srcs) $(core_srcs) $(bake_srcs) \
	$(bench_srcs) $(cmd_srcs) host/main.c
vmfork_objs := $(patsubst %.c,$(BUILD)/obj/%.o,$(host_srcs) $(shared_srcs))

vmfork: $(BUILD)/vmfork

$(BUILD)/vmfork: $(vmfork_objs)
	$(call msg,LD,$@)
	$(Q)$(CC) $(HOST_CFLAGS) $(CFLAGS) $(HOST_LDFLAGS) $(LDFLAGS) \
		-o $@ $^ $(HOST_LIBS) -pthread

.PHONY: vmfork
