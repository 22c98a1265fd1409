#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 (7.2)
# time: 180
#
# A fork that reboots comes back as itself.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

boot_id() { # VM
	# soon, or it was asked of a kernel that was about to go
	guest "$1" 'cat /proc/sys/kernel/random/boot_id' 3
}

booted_again() { # VM OLD
	local now

	answers "$1" 20 && now=$(boot_id "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}

boot src || bail "no source"
vmfork snapshot src ready || bail "no snapshot"
vmfork fork ready --name web || bail "no fork"
vmfork stop src >/dev/null # nothing of its parent is needed
was=$(boot_id web-1)
before=$(guest_network web-1)
pid=$(vm_field web-1 .pid)
check "it is told to reboot" guest web-1 '(sleep 1; reboot -f) >/dev/null 2>&1 &'
check "it boots again" retry_until 90 booted_again web-1 "$was"
check "its agent has its mail at boot" retry_until 30 agent_says web-1 \
	'.generation == 0 and .signal == "boot" and .error == null
		and .stage == "settled"'
check "it has the network that it had" same "$before" "$(guest_network web-1)"
check "which is its own" has_own_network web-1
check "it is reached" reachable web-1
check "its engine is the same" same "$pid" "$(vm_field web-1 .pid)"
check "a snapshot of it" vmfork snapshot web-1 again
check "and a fork of that" holds "$(vmfork fork again --name next --json)" \
	'.acked == 1'
check "which has its own network" has_own_network next-1
done_testing
