#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2
# time: 120
#
# What the agent costs a guest.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

SIZE_MAX=$((200 * 1024))
RSS_MAX_KIB=1024
START_MAX_US=50000
IDLE_S=10
IDLE_MAX_US=$((IDLE_S * 1000)) # 0.1 % of a CPU

# How long each start of the agent took until it was armed, as it logged it. The
# first is while the system boots, where an emulator translates all code for the
# first time, the kernel's too: it is shown, the second is what is promised.
starts() {
	tr '\r' '\n' <"$STATE/vms/src/console.log" |
		sed -n 's/.*vmfork-agent: armed \([0-9]*\) us, .*/\1/p'
}

cpu_us() {
	# shellcheck disable=SC2016 # the guest's shell expands
	guest src 'cat /proc/$(pidof vmfork-agent)/schedstat' |
		awk '{ print int($1 / 1000) }'
}

# A host that is busy elsewhere lets a guest's clock run on: up to three spans.
is_idle() {
	local before used

	for _ in 1 2 3; do
		before=$(cpu_us)
		sleep "$IDLE_S" # the span that is measured
		used=$(($(cpu_us) - before))
		echo "CPU in $IDLE_S s: $used us"
		[ "$used" -gt "$IDLE_MAX_US" ] || return 0
	done
	return 1
}

started_again() {
	[ "$(starts | wc -l)" -ge 2 ]
}

size=$(stat -c %s "$BUILD/vmfork-agent")
echo "size: $size bytes"
check "at most 200 KB stripped" [ "$size" -le $SIZE_MAX ]
check "static" [ "$(file -b "$BUILD/vmfork-agent" |
	grep -c 'statically linked, stripped')" = 1 ]

boot src --append 'console=ttyS0 quiet vmfork.agent=--verbose' ||
	bail "no source"
# shellcheck disable=SC2016 # the guest's shell expands
rss=$(guest src 'cat /proc/$(pidof vmfork-agent)/status' |
	awk '/^VmRSS:/ { print $2 }')
echo "resident: $rss KiB"
check "at most 1 MiB resident" [ "${rss:-9999}" -le $RSS_MAX_KIB ]

check "at most 0.1 % of a CPU while idle" is_idle

# shellcheck disable=SC2016 # the guest's shell expands
guest src 'kill $(pidof vmfork-agent)'
check "it starts again" retry_until 20 started_again
starts | sed "s/^/started in us: /"
check "armed within 50 ms of its start" \
	[ "$(starts | tail -n 1)" -le $START_MAX_US ]
check "it says that it runs" retry_until 10 agent_says src .running
done_testing
