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

# The ABI's page is the prose that opens its header.
$(BUILD)/vmfork-mailbox.7: shared/mailbox-man.sh shared/vmfork_mailbox.h
	$(call msg,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$^ >$@
