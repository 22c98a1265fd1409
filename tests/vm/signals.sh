#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2
# time: 300
#
# What tells a fork that it is one: each signal that this kernel has, and what
# the agent says of one that it has not.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

words='console=ttyS0 quiet vmfork.agent='

# Snapshot, fork: which signal does the fork report, and the host?
check_fork() { # WHAT SIGNAL PATTERN
	local what=$1 signal=$2 pattern=$3 said

	said=$(fork_woken src "by-$signal" fork)
	check "$what: forked" holds "$said" '.acked == 1'
	check "$what: it was $signal" holds "$said" \
		".forks[0].signal | test(\"^($pattern)\$\")"
	check "$what: the guest says so too" agent_says fork-1 \
		".signal | test(\"^($pattern)\$\")"
	check "$what: the fork is reached" reachable fork-1
	vmfork stop fork-1 >/dev/null
	vmfork rmi "by-$signal" >/dev/null
}

# As its kernel's command line says.
booted_with() { # WHAT SIGNAL PATTERN [OPTION]...
	local what=$1 signal=$2 pattern=$3

	shift 3
	if boot src --memory 128M --append "$words--signal,$signal" "$@"; then
		check_fork "$what" "$signal" "$pattern"
	else
		not_ok "$what: no source"
	fi
	vmfork stop --all >/dev/null
}

# In a guest that runs already: its agent listens to this one from now on.
started_with() { # WHAT SIGNAL
	if agent_start src "$2"; then
		check_fork "$1" "$2" "$2"
	else
		not_ok "$1: no agent"
	fi
}

booted_with "whatever notifies" auto 'vmgenid|vmclock'
boot src --memory 128M --no-wait --append "${words}none" || bail "no source"
started_with VMGenID vmgenid
if [ "$KERNEL" = 6.12 ]; then
	check "the agent refuses VMClock in one line" agent_refuses src \
		vmclock 'there is no /dev/vmclock0'
	check "and to watch it" agent_refuses src vmclock-spin \
		'there is no /dev/vmclock0'
	check "and a signal that nobody knows" agent_refuses src pigeon \
		'unknown signal'
	check "and goes on with the one that runs" agent_says src .running
	done_testing
fi
for signal in vmclock vmclock-spin; do
	agent_stop src || bail "the agent does not end"
	started_with "$signal" "$signal"
done
vmfork stop src >/dev/null
booted_with "no VMClock device" auto vmgenid --no-vmclock
done_testing
