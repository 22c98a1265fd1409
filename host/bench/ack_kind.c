// SPDX-License-Identifier: MIT
/* The table of kinds. ack_kind.h holds the contract. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bench/ack_base.h"
#include "bench/shell.h"

#define CHECK_MS 60000

/*
 * An agent that cannot do with a signal says why and ends; one that can says in
 * its status that it runs. The guest's own agent, which has a /run of its own,
 * goes on beside it.
 */
static int check_signal(const struct ack_kind *kind, const struct vm *guest,
			char why[ACK_WHY_BYTES], struct vf_err *err)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "unshare -m sh -c 'mount -t tmpfs t /run; "
		 "vmfork-agent run --signal %s >/tmp/agent 2>&1 & p=$!; "
		 "while [ -e /proc/$p/exe ] && ! vmfork-agent status "
		 "2>/dev/null | grep -q \"running.: *true\"; do "
		 "usleep 10000; done; "
		 "if [ -e /proc/$p/exe ]; then kill $p; "
		 "else tail -n 1 /tmp/agent; fi; wait $p'",
		 kind->name);
	return shell_line(guest, command, why, ACK_WHY_BYTES, CHECK_MS, err);
}

/* The module's device is one agent's, and the guest's own has it. */
static int check_mailbox(const struct ack_kind *kind, const struct vm *guest,
			 char why[ACK_WHY_BYTES], struct vf_err *err)
{
	(void)kind;
	return shell_line(guest,
			  "[ -c /dev/vmfork ] || "
			  "echo there is no /dev/vmfork",
			  why, ACK_WHY_BYTES, CHECK_MS, err);
}

#define MODULES "vmfork.load=vmfork_mailbox,vmfork_vmclock "

/* An agent that is told of its restore by that signal. */
#define SIGNAL(called, by, checked)                                   \
	{                                                             \
		.name = (called), .role = ACK_ROLE_SIGNAL,            \
		.words = MODULES "vmfork.agent=--signal," called,     \
		.signal = (by), .check = (checked), .take = ack_take, \
	}

/* Something else in the agent's place: see ack_base.h. */
#define BASE(kind, what, by, before, taken)                                  \
	{                                                                    \
		.name = (kind), .role = (what), .words = "", .signal = (by), \
		.prepare = (before), .take = (taken),                        \
	}

#define FLOOR(kind, what, by, before, taken)                                   \
	{                                                                      \
		.name = (kind), .role = (what), .words = "", .signal = (by),   \
		.has_parents_mac = true, .prepare = (before), .take = (taken), \
	}

const struct ack_kind ack_kinds[] = {
	SIGNAL("mailbox", VMFORK_SIGNAL_MAILBOX, check_mailbox),
	SIGNAL("vmclock", VMFORK_SIGNAL_VMCLOCK, check_signal),
	SIGNAL("vmclock-spin", VMFORK_SIGNAL_VMCLOCK_SPIN, check_signal),
	SIGNAL("vmgenid", VMFORK_SIGNAL_VMGENID, check_signal),
	SIGNAL("auto", VMFORK_SIGNAL_NONE, NULL),
	FLOOR("floor-code", ACK_ROLE_FIRST, VMFORK_SIGNAL_ARMED,
	      ack_request_prepare, ack_code_take),
	FLOOR("floor-request", ACK_ROLE_LEAST, VMFORK_SIGNAL_ARMED,
	      ack_request_prepare, ack_request_take),
	FLOOR("floor-vmgenid", ACK_ROLE_OTHER, VMFORK_SIGNAL_VMGENID,
	      ack_vmgenid_prepare, ack_request_take),
	BASE("ip", ACK_ROLE_IP, VMFORK_SIGNAL_VMGENID, ack_ip_prepare,
	     ack_take),
	BASE("dhcp", ACK_ROLE_OTHER, VMFORK_SIGNAL_VMGENID, ack_dhcp_prepare,
	     ack_dhcp_take),
	BASE("shell", ACK_ROLE_OTHER, VMFORK_SIGNAL_NONE, ack_shell_prepare,
	     ack_shell_take),
};
const unsigned int ack_kinds_num = ARRAY_SIZE(ack_kinds);
static_assert(ARRAY_SIZE(ack_kinds) <= ACK_KINDS_MAX, "a kind has no room");

const struct ack_kind ack_kind_given = {
	.name = "snapshot",
	.take = ack_take,
};
