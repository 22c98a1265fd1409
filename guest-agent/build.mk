# SPDX-License-Identifier: MIT
# The guest agent: static, musl, libmnl.

# What a fork needs first is linked first, together: in few pages, each of which
# may have to be read when it wakes up.
agent_hot_srcs := \
	guest-agent/ack.c \
	guest-agent/armed.c \
	guest-agent/entropy.c \
	guest-agent/loop.c \
	guest-agent/mailbox.c \
	guest-agent/netbatch.c \
	guest-agent/netcfg.c \
	guest-agent/netroute.c \
	guest-agent/netstate.c \
	guest-agent/requests.c \
	guest-agent/restore.c \
	guest-agent/rtnl.c \
	guest-agent/settle.c \
	guest-agent/signal_mailbox.c \
	guest-agent/signal_spin.c \
	guest-agent/signal_vmclock.c \
	guest-agent/signal_vmgenid.c \
	guest-agent/signals.c \
	guest-agent/status.c

agent_cold_srcs := \
	guest-agent/agent.c \
	guest-agent/announce.c \
	guest-agent/bootmail.c \
	guest-agent/client.c \
	guest-agent/clock.c \
	guest-agent/conffile.c \
	guest-agent/disks.c \
	guest-agent/events.c \
	guest-agent/fdio.c \
	guest-agent/freeze.c \
	guest-agent/hooks.c \
	guest-agent/log.c \
	guest-agent/machineid.c \
	guest-agent/main.c \
	guest-agent/nameconf.c \
	guest-agent/netdropped.c \
	guest-agent/netundo.c \
	guest-agent/notify.c \
	guest-agent/payload.c \
	guest-agent/ready.c \
	guest-agent/report.c \
	guest-agent/sockets.c \
	guest-agent/statedir.c

agent_srcs := $(agent_hot_srcs) $(agent_cold_srcs)

GUEST_CC ?= musl-gcc
GUEST_NM ?= nm
GUEST_OBJCOPY ?= objcopy
GUEST_STRIP ?= strip
GUEST_CFLAGS ?= -Os -g
GUEST_LIBMNL ?= $(BUILD)/deps/libmnl/libmnl.a
GUEST_LIBMNL_INCLUDE ?= $(BUILD)/deps/libmnl/include
KERNEL_HEADERS ?= /usr/include
KERNEL_HEADERS_ASM ?= $(firstword $(wildcard \
	$(KERNEL_HEADERS)/$(shell uname -m)-linux-gnu/asm) \
	$(KERNEL_HEADERS)/asm)

guest_dir := $(BUILD)/guest
guest_objs := $(patsubst %.c,$(guest_dir)/%.o,\
	$(agent_hot_srcs) $(shared_srcs) $(agent_cold_srcs))
guest_cppflags = $(BASE_CPPFLAGS) -Ishared -isystem $(guest_dir)/include \
	-isystem $(GUEST_LIBMNL_INCLUDE)
guest_cflags = $(BASE_CFLAGS) -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables $(GUEST_CFLAGS)
guest_ldflags = -static -no-pie -Wl,--gc-sections -Wl,--build-id=none

# What starts it, beside it as below lib/vmfork, for `vmfork bake`: wherever there is the
# one, there is the other.
agent_init := $(patsubst guest-agent/%,$(BUILD)/%,$(wildcard guest-agent/init/*))

$(agent_init): $(BUILD)/init/%: guest-agent/init/%
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@

agent: $(BUILD)/vmfork-agent

# musl brings no kernel headers, and must not see glibc's beside them.
$(guest_dir)/include/.done:
	$(Q)mkdir -p $(@D)
	$(Q)ln -sfn $(KERNEL_HEADERS)/linux $(@D)/linux
	$(Q)ln -sfn $(KERNEL_HEADERS)/asm-generic $(@D)/asm-generic
	$(Q)ln -sfn $(KERNEL_HEADERS_ASM) $(@D)/asm
	$(Q)touch $@

$(guest_dir)/%.o: %.c $(guest_dir)/include/.done | $(GUEST_LIBMNL)
	$(call msg,CC-MUSL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(guest_cppflags) $(guest_cflags) -c -o $@ $<

# libmnl.a was compiled against glibc. Its printing function, which we do not
# use, wants two symbols that musl lacks: those are made weak. That it wants no
# third one is what the linker finds out; that nobody calls the printing
# function, and that no other object got to want them, is asserted here.
guest_mnl_lacks := __ctype_b_loc __fprintf_chk
$(guest_dir)/libmnl.a: $(GUEST_LIBMNL)
	$(call msg,MUSL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)for s in $(guest_mnl_lacks); do \
		at=$$($(GUEST_NM) -A $< 2>/dev/null | \
			sed -n "s/.*:\([a-z]*\.o\): *U $$s\$$/\1/p"); \
		case "$$at" in nlmsg.o | '') ;; *) \
			echo "libmnl: $$s is wanted by $$at" >&2; \
			exit 1 ;; esac; done
	$(Q)$(GUEST_OBJCOPY) -D \
		$(guest_mnl_lacks:%=--weaken-symbol=%) $< $@

$(guest_dir)/vmfork-agent: $(guest_objs) $(guest_dir)/libmnl.a
	$(call msg,LD-MUSL,$@)
	$(Q)if $(GUEST_NM) $(guest_objs) | grep -q 'U mnl_nlmsg_fprintf'; then \
		echo "mnl_nlmsg_fprintf() does not work with musl" >&2; \
		exit 1; fi
	$(Q)$(GUEST_CC) $(guest_cflags) $(guest_ldflags) -o $@ $^

$(BUILD)/vmfork-agent: $(guest_dir)/vmfork-agent | $(agent_init)
	$(call msg,STRIP,$@)
	$(Q)$(GUEST_STRIP) -o $@ $<

-include $(guest_objs:.o=.d)

.PHONY: agent
