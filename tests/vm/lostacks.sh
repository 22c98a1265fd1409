#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 180
# waits
#
# Acknowledgements that are lost: a few, and the fork says it again; all of one
# fork's, and the host learns from the fork's memory how it went; or all, until
# one of those that are awaited has died. The loss is on the host's side, where
# no kernel of a guest has a part.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

TIMEOUT_S=15
STUCK_S=10

lose() { # what of the datagrams to the host
	nft -f - <<-RULES
		table inet loss
		delete table inet loss
		table inet loss {
			set victim { type ipv4_addr; size 1; flags dynamic; }
			set unheard { type ipv4_addr; size 64; flags dynamic; }
			chain input {
				type filter hook input priority 0
				iifname "vfb-default" meta l4proto udp $1 counter drop
			}
		}
	RULES
}

lost() {
	nft -j list table inet loss | jq '[.nftables[].rule.expr[]?
		| select(.counter) | .counter.packets] | add'
}

victim() {
	nft -j list set inet loss victim |
		jq -r '[.nftables[].set.elem[]?
			| if type == "object" then .elem.val else . end] | .[0]'
}

# A fork that is being made: an engine that is on record, with its address.
find_fork() { # NAME: sets pid and ip
	local found

	found=$(vm_field "$1" 'select(.pid and .ipv4) | "\(.pid) \(.ipv4)"') &&
		read -r pid ip <<<"$found"
}

# Does it run, and acknowledge in vain?
is_awaited() { # ADDRESS
	nft -j list set inet loss unheard | grep -qF "\"${1%/*}\""
}

# While nobody is heard, kill the engine of one; then let the others through.
kill_awaited() { # NAME
	local pid ip rc

	retry_until 30 find_fork "$1" && retry_until 30 is_awaited "$ip" &&
		kill -KILL "$pid"
	rc=$?
	nft delete table inet loss
	return "$rc"
}

# Stop the engines of all that are awaited; how they fare stands in their memory.
stop_awaited() { # NAME...
	local name pid ip

	for name; do
		retry_until 30 find_fork "$name" &&
			retry_until 30 is_awaited "$ip" || return
		stopped+=("$pid")
	done
	kill -STOP "${stopped[@]}"
}

command -v nft >/dev/null || skip_all "there is no nft"
boot src || bail "no source"
vmfork snapshot src ready || bail "no snapshot"

lose 'numgen inc mod 1000000 < 3' || skip_all "this kernel has no numgen"
forked=$(vmfork fork ready --name deaf --json)
check "three lost: exit status 0" [ $? = 0 ]
check "three lost: three were" same 3 "$(lost)"
check "three lost: acknowledged once" holds "$forked" '.acked == 1
	and .failed == 0 and (.forks | length) == 1 and .forks[0].error == null'
check "three lost: the time tells" holds "$forked" '.forks[0] |
	.timeline_us.acked > .timeline_us.applied + 40000 - .clock_error_us'
check "three lost: the guest was answered" retry_until 10 agent_says deaf-1 \
	'.stage == "settled" and .generation == 1'

# A set of one element: the first that sends is the one that is never heard.
lose 'add @victim { ip saddr }' || skip_all "this kernel has no dynamic sets"
forked=$(vmfork fork ready -n 3 --name trio --timeout $TIMEOUT_S --json)
check "all of one's lost: exit status 3" [ $? = 3 ]
check "all of one's lost: two acknowledged" holds "$forked" \
	'.acked == 2 and .failed == 0 and .wall_us >= 1000000 * '$TIMEOUT_S
mute=$(jq -r --arg ip "$(victim)" '.forks[]
	| select(.ipv4 | startswith($ip + "/")) | .name' <<<"$forked")
check "all of one's lost: it is one of them" [ -n "$mute" ]
check "it is not acknowledged, but configured" holds "$forked" "
	.forks[] | select(.name == \"$mute\") | .state == \"running\"
	and .reached == \"applied\" and .timeline_us.acked == null
	and (.error | test(\"not acknowledged\")) and .signal != null"
check "its siblings are not disturbed" holds "$forked" "
	[.forks[] | select(.name != \"$mute\")] | length == 2
	and all(.reached == \"settled\" and .error == null and .verified)"
check "the record says the same" same \
	"$(jq -S ".forks[] | select(.name == \"$mute\")" <<<"$forked")" \
	"$(vmfork inspect "$mute" --json | jq -S .fork)"
check "it lives, with its own network" has_own_network "$mute"
check "it is reached" reachable "$mute"
for vm in $(jq -r '.forks[].name' <<<"$forked"); do
	[ "$vm" = "$mute" ] || check "$vm is reached" reachable "$vm"
done
nft delete table inet loss
check "a snapshot of it" vmfork snapshot "$mute" later
check "and a fork of that" holds "$(vmfork fork later --name next --json)" \
	'.acked == 1'

lose 'add @unheard { ip saddr }'
vmfork fork ready -n 3 --name late --json >"$notes/late" &
late=$!
check "an engine is killed while all are awaited" kill_awaited late-2
wait $late
check "engine killed: exit status 3" [ $? = 3 ]
forked=$(cat "$notes/late")
check "engine killed: two acknowledged, and soon" holds "$forked" '
	.requested == 3 and .acked == 2 and .failed == 1 and .wall_us < 30000000'
check "engine killed: the record says which and why" holds "$forked" '
	.forks[1] | .name == "late-2" and .state == "failed"
	and (.error | test("engine ended")) and .timeline_us.resumed != null
	and .timeline_us.acked == null'
check "engine killed: its siblings live" holds "$forked" '
	[.forks[0, 2]] | all(.state == "running" and .error == null
	and .reached == "settled" and .verified)'
check "engine killed: late-1 is reached" reachable late-1
check "engine killed: late-3 is reached" reachable late-3
check "engine killed: nothing is left of it" same '' \
	"$(vmfork ps --json | jq -r '.[].name | select(. == "late-2")')"

lose 'add @unheard { ip saddr }'
stopped=()
vmfork fork ready -n 3 --name stuck --timeout $STUCK_S --json >"$notes/stuck" &
stuck=$!
check "all engines are stopped while they are awaited" \
	stop_awaited stuck-1 stuck-2 stuck-3
wait $stuck
check "engines stopped: exit status 3" [ $? = 3 ]
[ ${#stopped[@]} = 0 ] || kill -CONT "${stopped[@]}"
nft delete table inet loss
forked=$(cat "$notes/stuck")
check "engines stopped: nobody waits for them beyond the time" holds "$forked" \
	".acked == 0 and .failed == 0 and .wall_us < $(((STUCK_S + 4) * 1000000))"
check "engines stopped: their memory tells how far they are" holds "$forked" '
	.forks | all(.reached == "applied"
	and (.error | test("not acknowledged in time, but its network is conf")))'
check "and they go on" reachable stuck-1
done_testing
