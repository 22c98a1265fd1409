# SPDX-License-Identifier: MIT
# What both sides agree on. Compiled once for each side.
shared_srcs := \
	shared/attr.c \
	shared/crc32c.c \
	shared/identity.c \
	shared/identity_link.c \
	shared/mail.c \
	shared/names.c \
	shared/rules.c \
	shared/vmfork_ack.c
