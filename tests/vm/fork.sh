#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2
# time: 240
#
# Four forks of one snapshot: each is somebody else, and can be reached; the
# source and the snapshot do not notice.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# The contract of `fork --json`: every key and type, and stages in their order,
# where the clocks of host and guest meet within the error that is stated.
# shellcheck disable=SC2016 # jq's variables
contract='
def is(t): type == t;
def us: is("number") and . >= 0 and . == floor;
(keys - ["acked", "failed", "forks", "requested", "snapshot", "wall_us"] == [])
and (.snapshot | is("string")) and ([.requested, .acked, .failed, .wall_us] | all(us))
and (.forks | length) == .requested
and (.wall_us as $wall | .forks | all(
	(.name | is("string")) and .state == "running" and (.pid | us)
	and (.tap | test("^vf[0-9a-f]+$"))
	and (.mac | test("^02(:[0-9a-f]{2}){5}$"))
	and (.ipv4 | test("^[0-9.]+/[0-9]+$"))
	and (.ipv6 | test("^fd[0-9a-f:]+/64$"))
	and (.restore_id | test("^[0-9a-f]{32}$"))
	and (.signal | is("string")) and .reached == "settled"
	and .verified == true and has("shaping") and .shaping == null
	and has("error") and .error == null
	and (.clock_error_us | us)
	and (.faults | (.major | us) and (.minor | us))
	and (.cpu_acked_us | us) and .cpu_acked_us > 0
	and (.clock_error_us as $e | .timeline_us
		| ([.identity, .tap, .spawned, .ready, .loaded, .patched,
			.resumed, .signal, .mail, .applied, .acked, .settled]
			| all(us))
		and .identity <= .tap and .tap <= .spawned
		and .spawned <= .ready and .ready <= .loaded
		and .loaded <= .patched and .patched <= .resumed
		and .resumed <= .signal + $e and .signal <= .mail
		and .mail <= .applied and .applied <= .acked + $e
		and .acked <= .settled and .settled <= $wall)))'

# Of a VM that booted, auto takes a live one wherever there can be one.
mode_of_auto() {
	vmfork doctor --json | jq -r '
		if all(.[]; .ok or (.name | test("^(userfaultfd|live, booted)") | not))
		then "live" else "diff" end'
}

hashes() {
	(cd "$STATE/snapshots/ready" && sha256sum ./*)
}

distinct() { # JSON KEY
	holds "$1" "[.forks[].$2] | unique | length == 4"
}

# Its status by command and as a file, and what the wait had to say.
check_guest() { # NAME RESTORE_ID
	local said="{\"running\":true,"

	check "$1 has its network, and nothing of its parent's" \
		has_own_network "$1"
	check "$1 is reached" reachable "$1"
	check "$1 knows who it is" agent_says "$1" \
		".running and .generation == 1 and .restore_id == \"$2\""
	check "$1: the status file says the same" guest "$1" \
		"[ '$said'\"\$(cut -c2- /run/vmfork/status.json)\" = \"\$(vmfork-agent status)\" ]"
	check "$1: the wait has ended, with the new generation" \
		retry_until 20 guest "$1" \
		"grep -q '\"generation\":1,.*$2' /tmp/waited && grep -qx 0 /tmp/waited.rc"
}

boot src || bail "no source"
before=$(guest_network src)
check "a source has its network" has_own_network src
guest src '(vmfork-agent wait >/tmp/waited 2>&1; echo $? >/tmp/waited.rc) </dev/null &'
check "a wait begins" retry_until 10 guest src 'pidof vmfork-agent | grep -q " "'

snapshot=$(vmfork snapshot src ready --json) || bail "no snapshot"
check "a snapshot has its record" holds "$snapshot" '
	.name == "ready" and .mode == "'"$(mode_of_auto)"'"
	and .status == "ready" and .parent == null
	and .pause_us > 0 and .total_us >= .pause_us
	and .dirty_bytes > 0 and .memory_bytes == 268435456'
hashed=$(hashes)

forked=$(vmfork fork ready -n 4 --name web --json)
check "fork: exit status 0" [ $? = 0 ]
check "fork: all acknowledged" holds "$forked" \
	'.snapshot == "ready" and .requested == 4 and .acked == 4 and .failed == 0'
check "fork: the record is as it is promised" holds "$forked" "$contract"
for key in name pid tap mac ipv4 ipv6 restore_id; do
	check "each fork has a $key of its own" distinct "$forked" $key
done
check "no fork has its parent's address" holds "$forked" \
	"[.forks[] | .mac, .ipv4, .ipv6] | all(. as \$a |
		$(vmfork ps --json | jq -c '[.[] | select(.name == "src") | .mac, .ipv4, .ipv6]')
		| index(\$a) == null)"
for i in 0 1 2 3; do
	name=$(field "$forked" ".forks[$i].name")
	check_guest "$name" "$(field "$forked" ".forks[$i].restore_id")"
	check "$name: the record is kept" same \
		"$(jq -S ".forks[$i]" <<<"$forked")" \
		"$(vmfork inspect "$name" --json | jq -S .fork)"
done

check "the source is reached" reachable src
check "the source's network is untouched" same "$before" "$(guest_network src)"
check "the source counts no restore" agent_says src '.generation == 0'
check "the source's wait goes on" guest src \
	'[ ! -s /tmp/waited ] && [ ! -e /tmp/waited.rc ] && pidof vmfork-agent | grep -q " "'
check "all run" holds "$(vmfork ps --json)" \
	'length == 5 and all(.state == "running")'
check "the snapshot's files are the same" same "$hashed" "$(hashes)"
done_testing
