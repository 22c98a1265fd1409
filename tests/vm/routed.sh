#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 400
# A routed network: forks by two commands at once, who reaches whom, what a kill
# leaves, and snapshots that move between the ways to attach.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

fork_both() {
	local first

	vmfork fork ready -n 2 --name a --json >"$notes/a" &
	first=$!
	vmfork fork ready -n 2 --name b --json >"$notes/b" &&
		wait "$first"
}

both_disjoint() {
	local all

	all=$(jq -s '[.[].forks[]]' "$notes/a" "$notes/b")
	holds "$all" 'length == 4 and
		(map(.reached == "settled" or .reached == "acked") | all) and
		(map(.verified) | all)' || return
	for key in mac ipv4 ipv6 tap restore_id; do
		holds "$all" "[.[].$key] | unique | length == 4" || return
	done
}

all_own() {
	local vm

	for vm in src a-1 a-2 b-1 b-2; do
		reachable "$vm" || return
	done
	has_own_network src && has_own_network a-1 && has_own_network b-2
}

host_of() { # VM FAMILY
	vm_field "$1" ".ipv$2" | sed 's|/.*||'
}

guest_pings() { # VM ADDRESS
	guest "$1" "ping -c 1 -W 2 $2 >/dev/null"
}

closed() {
	guest_pings a-1 "$gateway" || return
	! guest_pings a-1 "$(host_of b-1 4)" &&
		! guest_pings a-1 "$(host_of b-1 6)" &&
		! guest_pings a-1 "$(host_of src 4)"
}

# The parent's address, and a sibling's, from a fork: seen by nobody.
no_spoofing() {
	local mine theirs=$1

	mine=$(host_of a-1 4)
	guest a-1 "ip addr add $theirs/32 dev eth0
ping -c 1 -W 2 -I $theirs $gateway >/dev/null; rc=\$?
ip addr del $theirs/32 dev eth0; [ \$rc != 0 ]" &&
		guest_pings a-1 "$gateway" && ping4 "$mine" && ping4 "$theirs"
}

no_route() { # ADDRESS
	[ -z "$(ip route show "$1/32")" ]
}

killed_engine() {
	local addr

	addr=$(host_of b-2 4)
	kill -KILL "$(vm_field b-2 .pid)"
	vmfork gc && retry_until 5 no_route "$addr" && [ -z "$(vmfork gc)" ] &&
		! jq -e '.leases["b-2"]' "$STATE/net/default/leases.json"
}

killed_command() {
	# one that was over before is ended as any
	if signalled KILL 0.5 fork ready -n 3 --name k; then
		vmfork stop k-1 k-2 k-3 || return
	fi
	gc_restores
}

moves() {
	vmfork fork ready --name moved --net lan && reachable moved-1 &&
		vmfork snapshot moved-1 elsewhere &&
		vmfork fork elsewhere --name back --net default &&
		reachable back-1
}

opened() {
	vmfork fork ready -n 2 --name o --net open &&
		guest_pings o-1 "$(host_of o-2 4)" &&
		guest_pings o-1 "$(host_of o-2 6)" && reachable o-1
}

check_fails "a mode that there is not" 2 "not bridge or routed" \
	vmfork net create default --mode switched
check "a routed network" vmfork net create default --mode routed
gateway=$(vmfork net ls --json | jq -r '.[0].ipv4 | sub("/.*"; "")')
boot src >/dev/null || bail "no VM"
vmfork snapshot src ready || bail "no snapshot"
# the host would forward: it is not for want of it that siblings do not meet
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
note_state
check "two commands fork one snapshot at once" fork_both
check "identities are disjoint, and verified" both_disjoint
check "each has its own network" all_own
check "siblings do not reach each other" closed
check "the parent's address from a fork" no_spoofing "$(host_of src 4)"
check "a sibling's address from a fork" no_spoofing "$(host_of b-1 4)"
check "an engine that was killed" killed_engine
vmfork stop a-1 a-2 b-1
check "nothing is left of forks" left_nothing
check "a command that was killed" killed_command
vmfork net create lan && vmfork net create open --mode routed --open
check "from a routed network to a bridge, and back" moves
check "siblings of an open one" opened
done_testing
