#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
#
# A stop that takes long: other commands go on meanwhile, those that want the same
# VMs wait for it, and who finds it dead ends what it has begun.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

FORKS=20

# --- a stop that takes long --------------------------------------------------

# Its engines are told to end, and it waits for them, until let_go.
stop_held() { # VM...
	LD_PRELOAD=$BUILD/tests/vm/held.so HELD_BY=$notes/hold \
		"$VMFORK" stop "$@" >"$notes/stopped" 2>&1 </dev/null &
	stopper=$!
	retry_until 20 is_stopping "$1"
}

is_stopping() { # VM
	[ "$(vm_field "$1" .state)" = stopping ]
}

let_go() {
	# shellcheck disable=SC2016 # the inner shell expands
	timeout 20 bash -c ': >"$1"' - "$notes/hold"
}

goes_on() { # PID
	kill -0 "$1" 2>/dev/null || {
		echo "it has ended"
		return 1
	}
}

ended() { # PID
	wait_end "$1" && wait "$1"
}

names() { # PREFIX NUM
	seq -f "$1-%.0f" "$2"
}

# --- others meanwhile --------------------------------------------------------

# shellcheck disable=SC2046 # one word for each VM
others_go_on() {
	local said

	vmfork fork ready -n "$FORKS" --name web >/dev/null || return
	stop_held $(names web "$FORKS") || return
	said=$(vmfork fork ready -n 2 --name other --json) &&
		holds "$said" '.acked == 2' && vmfork gc &&
		goes_on "$stopper" && is_stopping web-1 && let_go &&
		ended "$stopper" || return
	same "$(names web "$FORKS" | sort)" "$(sort "$notes/stopped")" &&
		reachable other-1 && reachable other-2 &&
		vmfork stop other-1 other-2 && left_nothing
}

# A name that is about to be free is waited for.
name_is_waited_for() {
	local forker

	vmfork fork ready --name web >/dev/null && stop_held web-1 || return
	"$VMFORK" fork ready --name web >"$notes/forked" 2>&1 &
	forker=$!
	# a command that waits for nobody is over long before
	vmfork fork ready --name other >/dev/null && goes_on "$forker" &&
		let_go && ended "$stopper" && ended "$forker" &&
		reachable web-1 && vmfork stop web-1 other-1 && left_nothing
}

twice_is_once() {
	local second

	vmfork fork ready -n 2 --name web >/dev/null &&
		stop_held web-1 web-2 || return
	"$VMFORK" stop web-2 web-1 >"$notes/second" 2>&1 &
	second=$!
	vmfork net create aside && vmfork net rm aside && goes_on "$second" &&
		let_go && ended "$stopper" && ended "$second" && left_nothing
}

# Whoever waited for a name to go does not end what bears it by then.
twice_and_a_fork() {
	local second forker

	vmfork fork ready --name web >/dev/null && stop_held web-1 || return
	"$VMFORK" stop web-1 >"$notes/second" 2>&1 &
	second=$!
	"$VMFORK" fork ready --name web >"$notes/forked" 2>&1 &
	forker=$!
	vmfork net create aside && vmfork net rm aside && goes_on "$second" &&
		goes_on "$forker" && let_go && ended "$stopper" &&
		ended "$second" && ended "$forker" &&
		[ "$(vm_field web-1 .state)" = running ] && reachable web-1 &&
		vmfork stop web-1 && left_nothing
}

# Who does not want to wait any more need not, and nothing is different.
wait_is_given_up() {
	local rc

	vmfork fork ready --name web >/dev/null && stop_held web-1 || return
	timeout -k 30 -s INT 2 "$VMFORK" stop web-1 >"$notes/second" 2>&1
	rc=$?
	goes_on "$stopper" && is_stopping web-1 && let_go &&
		ended "$stopper" || return
	# timeout says so of one that it had to end, and had it end in time
	[ "$rc" = 124 ] && same 'vmfork: interrupted' "$(<"$notes/second")" &&
		left_nothing
}

# --- reapers that die --------------------------------------------------------

# The engines were told; nobody waits for them any more.
killed_late() {
	vmfork fork ready -n 3 --name web >/dev/null &&
		stop_held web-1 web-2 web-3 || return
	kill -KILL "$stopper"
	wait_end "$stopper"
	[ "$(vm_field web-1 .state)" = dead ] && gc_restores
}

# As a reaper does, on behalf of another process.
mark() { # VM PID
	cat /proc/sys/kernel/random/boot_id "/proc/$2/stat" \
		>"$STATE/vms/$1/reaper"
}

# The engine was not told yet: it lives, and its reaper does not.
killed_early() {
	local reaper rc

	vmfork fork ready --name web >/dev/null || return
	sleep 300 &
	reaper=$!
	mark web-1 "$reaper"
	vmfork gc && is_stopping web-1 && reachable web-1
	rc=$?
	kill "$reaper"
	wait "$reaper"
	[ "$rc" = 0 ] &&
		[ "$(vm_field web-1 .state)" = dead ] && reachable web-1 &&
		vmfork gc | grep -qx 'VM web-1' && gc_restores
}

# An entry that somebody takes away is nobody's.
not_claimed() {
	local entry reaper

	vmfork pool fill ready -n 1 || return
	entry=$(vmfork pool ls --json | jq -r '.[0].name')
	sleep 300 &
	reaper=$!
	cat /proc/sys/kernel/random/boot_id "/proc/$reaper/stat" \
		>"$STATE/pool/$entry/reaper"
	vmfork fork ready --name web --json >"$notes/forked"
	[ -d "$STATE/pool/$entry" ] && [ -z "$(vmfork pool drain --all)" ]
	local rc=$?
	kill "$reaper"
	wait "$reaper"
	[ "$rc" = 0 ] && vmfork gc && vmfork stop web-1 && left_nothing
}

needs tests/vm/held.so
mkfifo "$notes/hold"
vmfork run src || bail "the source does not boot"
vmfork snapshot src ready || bail "there is no snapshot to fork"
note_state
check "a fork and gc do not wait for a stop of $FORKS" others_go_on
check "who wants a name that is about to be free waits" name_is_waited_for
check "who stops what is being stopped waits" twice_is_once
check "and does not end what bears the name by then" twice_and_a_fork
check "a wait for another stop is given up at once" wait_is_given_up
check "gc ends what a stop that was killed had begun" killed_late
check "and what it had not begun, but said" killed_early
check "an entry of the pool that is taken away is not taken" not_claimed
check "the source has not noticed" reachable src
done_testing
