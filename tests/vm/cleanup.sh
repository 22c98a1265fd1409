#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
#
# Commands that are interrupted or killed, and engines that are: what was begun
# is undone, at once or by the next gc, and the source goes on.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

INTERRUPTS=4	   # moments at which a fork is interrupted
FORKS_KILLED=10	   # random moments at which a fork is killed
SNAPSHOTS_KILLED=3 # and a snapshot

# --- the source --------------------------------------------------------------

source_answers() {
	ping4 "$source_ip"
}

# Paused or broken, it would not answer.
source_goes_on() {
	[ "$(vm_field src .state)" = running ] && source_answers
}

# --- commands that are interrupted or killed ---------------------------------

# One that was done before the signal came is no failure.
interrupted() { # SECONDS COMMAND...
	signalled INT "$@"
	local rc=$?

	case $rc in
	0) return 0 ;;
	1) grep -qiE 'interrupted|cancell?ed' "$notes/out" && left_nothing ;;
	*) return 1 ;;
	esac
}

interrupt_runs() {
	local seconds

	for seconds in 0.05 1; do
		interrupted "$seconds" run late && left_nothing &&
			source_goes_on || return
	done
}

interrupt_snapshots() {
	local seconds

	for seconds in 0.01 0.03 0.06; do
		interrupted "$seconds" snapshot src late || return
		vmfork rmi late 2>/dev/null
		left_nothing && source_goes_on || return
	done
}

interrupt_forks() {
	local i forks

	for ((i = 1; i <= INTERRUPTS; i++)); do
		interrupted "0.$((i * i * 3 + 1))" fork ready -n 2 --name web ||
			return
		forks=$(vmfork ps --json |
			jq -r '.[] | select(.snapshot) | .name')
		# shellcheck disable=SC2086 # one word for each fork
		[ -z "$forks" ] || vmfork stop $forks
		left_nothing && source_goes_on || return
	done
}

random_ms() { # BELOW
	printf '0.%03d' $((RANDOM % $1))
}

kill_forks() {
	local i forks

	for ((i = 0; i < FORKS_KILLED; i++)); do
		signalled KILL "$(random_ms 600)" fork ready -n 2 --name web
		# by turns: gc, or the next command that changes something
		if [ $((i % 2)) = 0 ]; then
			vmfork gc
		else
			vmfork net create aside && vmfork net rm aside
		fi || return
		# a fork that was whole is a VM like any other
		forks=$(vmfork ps --json |
			jq -r '.[] | select(.snapshot) | .name')
		# shellcheck disable=SC2086 # one word for each fork
		[ -z "$forks" ] || vmfork stop $forks || return
		gc_restores && source_goes_on || return
	done
}

# It has to run again within a second of the kill, whoever resumes it, and not
# stop later: QEMU ends a migration that it goes on with by a pause.
kill_snapshots() {
	local i

	for ((i = 0; i < SNAPSHOTS_KILLED; i++)); do
		signalled KILL "0.0$((3 + i * 3))" snapshot src late
		retry_until 1 source_answers || {
			echo "the source does not answer"
			return 1
		}
		vmfork gc || return
		vmfork rmi late 2>/dev/null
		gc_restores && source_goes_on || return
		guest src 'true' || return
	done
}

# --- engines that are killed -------------------------------------------------

kill_engine() {
	local pid

	vmfork fork ready -n 2 --name web >/dev/null || return
	vmfork inspect web-1 --json >"$notes/web-1"
	pid=$(vm_field web-1 .pid)
	kill -KILL "$pid"
	wait_end "$pid"
}

ps_says_dead() {
	[ "$(vm_field web-1 .state)" = dead ] &&
		[ "$(vm_field web-2 .state)" = running ]
}

# The address stays taken as long as nobody has cleared up after the dead.
lease_is_kept() {
	local dead new

	dead=$(jq -r .ipv4 "$notes/web-1")
	vmfork fork ready --name other >/dev/null || return
	new=$(vm_field other-1 .ipv4)
	vmfork stop other-1 && [ -n "$dead" ] && [ "$new" != "$dead" ] &&
		grep -q '"web-1"' "$STATE"/net/default/leases.json
}

gc_removes_the_dead() {
	local removed

	removed=$(vmfork gc)
	echo "$removed"
	grep -q 'web-1' <<<"$removed" && ! grep -q 'web-2' <<<"$removed" &&
		! grep -q '"web-1"' "$STATE"/net/default/leases.json &&
		[ -z "$(vmfork gc)" ] && reachable web-2
}

name_is_free_again() {
	vmfork fork ready --name web >/dev/null && reachable web-1
}

stop_frees_all() {
	vmfork stop web-1 web-2 && left_nothing
}

# --- commands side by side ---------------------------------------------------

COMMANDS=6
FORKS_EACH=2

# While this file is there.
collect_always() {
	while [ -e "$notes/collect" ]; do
		vmfork gc || echo "gc: exit status $?"
	done >>"$notes/collected" 2>&1
}

# Names are left to the commands, which have to agree about them.
fork_side_by_side() {
	local i pids=() collector rc=0

	: >"$notes/collect"
	collect_always &
	collector=$!
	for ((i = 1; i <= COMMANDS; i++)); do
		vmfork fork ready -n "$FORKS_EACH" --json >"$notes/forked.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || rc=1
	done
	rm "$notes/collect"
	wait "$collector"
	side_by_side=$(jq -s . "$notes"/forked.*)
	return "$rc"
}

all_are_acked() {
	holds "$side_by_side" "length == $COMMANDS and
		all(.acked == $FORKS_EACH and .failed == 0)"
}

nobody_is_twice() {
	local key

	for key in name pid tap mac ipv4 ipv6 restore_id; do
		holds "$side_by_side" "[.[].forks[].$key] | length ==
			$((COMMANDS * FORKS_EACH)) and
			length == (unique | length)" || return
	done
}

stop_all_but_src() {
	local forks

	mapfile -t forks < <(jq -r '.[].forks[].name' <<<"$side_by_side")
	vmfork stop "${forks[@]}" >/dev/null && left_nothing
}

# --- networks ----------------------------------------------------------------

last_of_all() {
	vmfork stop --all && vmfork rmi ready && vmfork net rm default &&
		[ -z "$(vmfork gc)" ] && ! ip -o link show | grep -q 'vf[b0-9a-f]'
}

vmfork run src || bail "the source does not boot"
vmfork snapshot src ready || bail "there is no snapshot to fork"
source_ip=$(vm_field src .ipv4)
note_state
check "gc has nothing to do where nothing was left" gc_restores
check "an interrupted run is undone" interrupt_runs
check "an interrupted snapshot is undone" interrupt_snapshots
check "an interrupted fork is undone" interrupt_forks
check "what a killed fork leaves is removed" kill_forks
check "what a killed snapshot leaves is removed" kill_snapshots
check "a fork whose engine is killed" kill_engine
check "is dead for ps" ps_says_dead
check "keeps its lease" lease_is_kept
check "goes with gc, and nothing else does" gc_removes_the_dead
check "leaves its name to others" name_is_free_again
check "stop frees all that a fork held" stop_frees_all
check "six commands fork side by side, beside a gc that never ends" \
	fork_side_by_side
check "all of their forks acknowledge" all_are_acked
check "no two of them are the same" nobody_is_twice
check "gc has taken nothing of theirs" same '' "$(cat "$notes/collected")"
check "all live" same "$((1 + COMMANDS * FORKS_EACH))" \
	"$(vmfork ps --json | jq 'map(select(.state == "running")) | length')"
check "and leave nothing" stop_all_but_src
check_fails "a network in use is not removed" 1 \
	'^vmfork: network default: .*(use|lease)' vmfork net rm default
check "which changes nothing" left_nothing
check "the source has not noticed" source_goes_on
check "nothing is left in the end" last_of_all
done_testing
