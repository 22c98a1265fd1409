# SPDX-License-Identifier: MIT
# What both sides agree on. Compiled once for each side.
shared_srcs := \
	shared/addr.c \
	shared/attr.c \
	shared/crc32c.c \
	shared/identity.c \
	shared/identity_link.c \
	shared/ipscript.c \
	shared/mail.c \
	shared/names.c \
	shared/rules.c \
	shared/vmfork_ack.c

# For host programs other than ours: shared/example/ is one.
shared_headers := shared/vmfork_mailbox.h shared/vmfork_payload.h shared/vmfork_ack.h \
	shared/mail.h shared/rules.h

$(BUILD)/libvmfork.a: $(shared_srcs:%.c=$(BUILD)/obj/%.o)
	$(call msg,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcsD $@ $^

$(BUILD)/vmfork.pc: shared/vmfork.pc.in Makefile
	$(Q)mkdir -p $(@D)
	$(Q)sed 's|@includedir@|$(includedir)|; s|@libdir@|$(libdir)|' $< | \
		sed 's|@version@|$(VMFORK_VERSION)|' >$@

# The ABI's page is the prose that opens its header.
$(BUILD)/vmfork-mailbox.7: shared/mailbox-man.sh shared/vmfork_mailbox.h
	$(call msg,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$^ >$@
