#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 (7.2)
# time: 300
# alone
#
# What the agent costs a guest.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

SIZE_MAX=$((200 * 1024))
RSS_MAX_KIB=1024
START_MAX_US=50000

WORDS='console=ttyS0 quiet vmfork.agent=--verbose'

# How long the agent took from its start until it was armed, as it says on the
# console, where somebody has to listen.
started_us() {
	tr '\r' '\n' <"$notes/heard" |
		sed -n 's/.*vmfork-agent: armed \([0-9]*\) us, .*/\1/p'
}

start_is_heard() {
	[ -n "$(started_us)" ]
}

# Sit at the console, say something there, and listen until an agent starts.
hear_start() { # [LINE]
	local pid rc

	"$VMFORK" console src <>"$notes/words" >"$notes/heard" 2>/dev/null &
	pid=$!
	printf '%s\n' "${1:-}" >"$notes/words"
	retry_until 60 start_is_heard
	rc=$?
	kill "$pid" 2>/dev/null
	wait "$pid"
	echo "started in us: $(started_us)"
	return "$rc"
}

# A guest's clock runs on while its host is busy elsewhere: the best of three.
starts_quickly_at_boot() {
	for _ in 1 2 3; do
		vmfork stop src >/dev/null 2>&1
		vmfork run src --no-wait --append "$WORDS" &&
			hear_start || return
		[ "$(started_us)" -gt "$START_MAX_US" ] || return 0
	done
	return 1
}

starts_quickly_again() {
	for _ in 1 2 3; do
		# shellcheck disable=SC2016 # the guest's shell expands
		hear_start 'kill $(pidof vmfork-agent)' || return
		[ "$(started_us)" -gt "$START_MAX_US" ] || return 0
	done
	return 1
}

# It has no interpreter, and no symbols.
is_bare() { # PROGRAM
	local elf

	elf=$(readelf -lSW "$1") && ! grep -wE 'INTERP|\.symtab' <<<"$elf"
}

size=$(stat -c %s "$BUILD/vmfork-agent")
echo "size: $size bytes"
check "at most 200 KB stripped" [ "$size" -le $SIZE_MAX ]
check "static, and stripped" is_bare "$BUILD/vmfork-agent"

mkfifo "$notes/words"
# Where nobody knows whether KVM works, run itself listens, to find out.
compgen -G "$STATE/kvm-*" >/dev/null || boot src >/dev/null
check "armed within 50 ms of its start, at boot" starts_quickly_at_boot
answers src || bail "no source"

# shellcheck disable=SC2016 # the guest's shell expands
rss=$(guest src 'cat /proc/$(pidof vmfork-agent)/status' |
	awk '/^VmRSS:/ { print $2 }')
echo "resident: $rss KiB"
check "at most 1 MiB resident" [ "${rss:-9999}" -le $RSS_MAX_KIB ]

check "at most 0.1 % of a CPU while idle" agent_is_idle src

check "armed within 50 ms of its start, when it starts again" \
	starts_quickly_again
check "it says that it runs" retry_until 10 agent_says src .running
done_testing
