// SPDX-License-Identifier: MIT
/* The table of kinds. ack_kind.h holds the contract. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bench/ack_base.h"
#include "bench/shell.h"

#define CHECK_MS 60000

/*
 * An agent that cannot do with a signal says why and ends; one that can says in
 * its status that it runs.
 */
static int check_signal(const struct ack_kind *kind, const struct vm *guest,
			char why[ACK_WHY_BYTES], struct vf_err *err)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "vmfork-agent run --signal %s >/tmp/agent 2>&1 & p=$!; "
		 "while kill -0 $p 2>/dev/null && ! vmfork-agent status "
		 "2>/dev/null | grep -q '\"running\": *true'; do "
		 "usleep 10000; done; kill $p 2>/dev/null || "
		 "tail -n 1 /tmp/agent; wait $p",
		 kind->name);
	return shell_line(guest, command, why, ACK_WHY_BYTES, CHECK_MS, err);
}

#define MODULES "vmfork.load=vmfork_mailbox,vmfork_vmclock "

/* An agent that is told of its restore by that signal. */
#define SIGNAL(signal)                                            \
	{                                                         \
		.name = signal, .role = ACK_ROLE_SIGNAL,          \
		.words = MODULES "vmfork.agent=--signal," signal, \
		.check = check_signal, .take = ack_take,          \
	}

/* Something else in the agent's place: see ack_base.h. */
#define BASE(kind, what, before, taken)                                     \
	{                                                                   \
		.name = kind, .role = what, .words = "", .prepare = before, \
		.take = taken,                                              \
	}

const struct ack_kind ack_kinds[] = {
	SIGNAL("mailbox"),
	SIGNAL("vmclock"),
	SIGNAL("vmclock-spin"),
	SIGNAL("vmgenid"),
	SIGNAL("auto"),
	BASE("floor-code", ACK_ROLE_FIRST, ack_request_prepare, ack_code_take),
	BASE("floor-request", ACK_ROLE_LEAST, ack_request_prepare,
	     ack_request_take),
	BASE("floor-vmgenid", ACK_ROLE_OTHER, ack_vmgenid_prepare,
	     ack_request_take),
	BASE("ip", ACK_ROLE_IP, ack_ip_prepare, ack_take),
	BASE("dhcp", ACK_ROLE_OTHER, ack_dhcp_prepare, ack_dhcp_take),
	BASE("shell", ACK_ROLE_OTHER, ack_shell_prepare, ack_shell_take),
};
const unsigned int ack_kinds_num = ARRAY_SIZE(ack_kinds);

const struct ack_kind ack_kind_given = {
	.name = "snapshot",
	.take = ack_take,
};
