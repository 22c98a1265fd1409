#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 400
#
# More forks on one network than a bridge takes, by one command and by two, within
# the smallest limit of open files that is usual; and bursts that have just the
# descriptors they say they need. Engines by the thousand are stand-ins: all but
# the guests is as it is.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

MANY=1100
MORE=100
LIMIT=4096

# Descriptors, for a command alone.
limited() { # NUM COMMAND...
	local num=$1

	shift
	timeout 300 prlimit --nofile="$num:$num" "$VMFORK" "$@"
}

stood_in() { # NUM FORK_OPTION...
	VMFORK_QEMU=$BUILD/tests/vm/standin limited "$@" --wait none --json
}

forks() {
	vmfork ps --json | jq -r '.[] | select(.snapshot).name'
}

# shellcheck disable=SC2046 # one word for each
stop_forks() {
	timeout 300 "$VMFORK" stop $(forks) >/dev/null
}

all_run() { # JSON NUM
	holds "$1" ".requested == $2 and .failed == 0 and (.forks | length == $2)
		and all(.forks[]; .state == \"running\" and .error == null)"
}

distinct() { # JSON NUM
	local key

	for key in name pid tap mac ipv4 ipv6 restore_id; do
		holds "$1" "[.forks[].$key] | unique | length == $2" || return
	done
}

# --- many --------------------------------------------------------------------

# The second takes names, leases and TAPs beside those of the first.
many() {
	local one two

	one=$(stood_in "$LIMIT" fork ready -n "$MANY") && all_run "$one" "$MANY" &&
		two=$(stood_in "$LIMIT" fork ready -n "$MORE") &&
		all_run "$two" "$MORE" || return
	distinct "$(printf '%s' "$one" "$two" | jq -s '{forks: map(.forks[])}')" \
		$((MANY + MORE))
}

# What it takes for guests to be reached, for each of them.
many_are_attached() {
	local want=$((MANY + MORE + 1))

	same "$want" "$(ip -o link show group 0x766d66 | grep -Ec ': vf[0-9a-f]{6}[:@]')" &&
		same "$want" "$(ip route show proto static type unicast |
			grep -Ec ' dev vf[0-9a-f]{6} ')" || return
	nft -j list set inet vmfork vfb-many.ip4 | jq -e \
		".nftables[] | select(.set).set.elem | length == $want"
}

ps_shows_them() {
	local said

	said=$(timeout 120 "$VMFORK" ps --json) &&
		holds "$said" "map(select(.state == \"running\")) |
			length == $((MANY + MORE + 1))"
}

# --- as many descriptors as it says ------------------------------------------

# How many a command may have for a fork to be begun.
enough() { # COMMAND...
	local said

	said=$(limited 100 "$@" 2>&1 >/dev/null)
	echo "$said" >&2
	[[ $said =~ need\ ([0-9]+)\ open\ files,\ ([0-9]+)\ are ]] || return
	echo $((BASH_REMATCH[1] + 100 - BASH_REMATCH[2]))
}

just_enough() {
	local num said

	num=$(enough fork ready -n 70 --wait none) || return
	said=$(stood_in "$num" fork ready -n 70) && all_run "$said" 70 &&
		stop_forks || return
	num=$(enough fork ready -n 8 --wait network) || return
	said=$(limited "$num" fork ready -n 8 --wait network --json) &&
		holds "$said" '.acked == 8' && stop_forks && left_nothing
}

vmfork net create many --mode routed || bail "no network"
vmfork run src --net many || bail "the source does not boot"
vmfork snapshot src ready || bail "there is no snapshot to fork"
note_state
check "bursts that have just the descriptors they ask for" just_enough
check "$MANY and $MORE forks on one network, with $LIMIT descriptors" many
check "all are attached" many_are_attached
check "all are listed" ps_shows_them
check "all are stopped" stop_forks
check "nothing is left" left_nothing
check "the source has not noticed" reachable src
done_testing
