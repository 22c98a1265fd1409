# SPDX-License-Identifier: MIT
#
# vmfork. `make help` lists the targets.
#
# CFLAGS, CPPFLAGS and LDFLAGS are the user's; what we need stands in BASE_*.
# V=1 shows the commands, WERROR=1 makes warnings errors, SAN=address,undefined
# builds the host side with sanitizers.

BUILD ?= build
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
msg = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))')

CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
BASE_CFLAGS := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wno-format-nonliteral \
	-fno-strict-aliasing -ffile-prefix-map=$(CURDIR)=. \
	$(if $(WERROR),-Werror)
BASE_CPPFLAGS := -D_GNU_SOURCE -MMD -MP

all: vmfork agent

include shared/build.mk
include host/build.mk
include guest-agent/build.mk
include initramfs/build.mk
include tests/build.mk

clean:
	$(Q)rm -rf $(BUILD)

.PHONY: all clean
