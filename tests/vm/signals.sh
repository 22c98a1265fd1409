#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2
# time: 300
#
# What tells a fork that it is one: each signal that this kernel has, and what
# the agent says of one that it has not.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

words='console=ttyS0 quiet vmfork.agent=--signal,'

# Boot, snapshot, fork: which signal does the fork report, and the host?
fork_by() { # WHAT SIGNAL PATTERN [OPTION]...
	local what=$1 signal=$2 pattern=$3 said

	shift 3
	if ! boot src --memory 128M --append "$words$signal" "$@"; then
		not_ok "$what: no source"
		return
	fi
	said=$(fork_woken src "by-$signal" fork)
	check "$what: forked" holds "$said" '.acked == 1'
	check "$what: it was $signal" holds "$said" \
		".forks[0].signal | test(\"^($pattern)\$\")"
	check "$what: the guest says so too" agent_says fork-1 \
		".signal | test(\"^($pattern)\$\")"
	check "$what: the fork is reached" reachable fork-1
	vmfork stop --all >/dev/null
	vmfork rmi "by-$signal" >/dev/null
}

fork_by "whatever notifies" auto 'vmgenid|vmclock'
fork_by VMGenID vmgenid vmgenid
if [ "$KERNEL" = 6.12 ]; then
	check_fails "no driver for VMClock: run says what the guest said" 1 \
		'signal vmclock: there is no /dev/vmclock0' \
		vmfork run src --memory 128M --append "${words}vmclock" -t 20
	check "and leaves nothing" same '[]' "$(vmfork ps --json)"
	boot src --memory 128M || bail "no source"
	check "the agent refuses VMClock in one line" agent_refuses src \
		vmclock 'there is no /dev/vmclock0'
	check "and to watch it" agent_refuses src vmclock-spin \
		'there is no /dev/vmclock0'
	check "and a signal that nobody knows" agent_refuses src pigeon \
		'unknown signal'
	check "and goes on with the one that runs" agent_says src .running
	done_testing
fi
fork_by VMClock vmclock vmclock
fork_by "VMClock, watched" vmclock-spin vmclock-spin
fork_by "no VMClock device" auto vmgenid --no-vmclock
done_testing
