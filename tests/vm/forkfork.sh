#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
#
# Forks of forks, several snapshots of one source, two commands at once. What
# differs between kernels is the signal, and that is tested elsewhere.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

acked() { # SNAPSHOT N PREFIX
	holds "$(vmfork fork "$1" -n "$2" --name "$3" --json)" \
		".acked == $2 and .failed == 0"
}

generation() { # VM N
	agent_says "$1" ".generation == $2"
}

boot src || bail "no source"
check "a snapshot of the source" vmfork snapshot src one
check "a fork" acked one 1 child
check "a snapshot of the fork" vmfork snapshot child-1 two
check "a fork of the fork" acked two 1 grandchild
check "another snapshot of the source" vmfork snapshot src three
check "a fork of that" acked three 1 late

check "the source is at generation 0" generation src 0
check "the fork is at generation 1" generation child-1 1
check "its fork is at generation 2" generation grandchild-1 2
check "a fork of the other snapshot is at generation 1" generation late-1 1
for vm in src child-1 grandchild-1 late-1; do
	check "$vm has its own network" has_own_network $vm
	check "$vm is reached" reachable $vm
done
check "a fork's own mail names it alone" same 3 "$(for vm in child-1 \
	grandchild-1 late-1; do agent_status $vm .restore_id; done |
	sort -u | wc -l)"

vmfork fork one -n 2 --name left --json >"$STATE/left" &
left=$!
vmfork fork one -n 2 --name right --json >"$STATE/right" &
right=$!
check "two commands at once: the first" wait $left
check "two commands at once: the second" wait $right
both=$(jq -s '[.[].forks[]]' "$STATE/left" "$STATE/right")
for key in name pid tap mac ipv4 ipv6 restore_id; do
	check "two commands at once: no $key twice" holds "$both" \
		"length == 4 and ([.[].$key] | unique | length) == 4"
done
all=$(vmfork ps --json)
check "eight VMs, and no address twice" holds "$all" 'length == 8
	and ([.[].mac] | unique | length) == 8
	and ([.[].ipv4] | unique | length) == 8
	and ([.[].ipv6] | unique | length) == 8'
for vm in $(jq -r '.[].name' <<<"$all"); do
	check "all at once: $vm is reached" reachable "$vm"
done
done_testing
