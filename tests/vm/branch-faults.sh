#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 600
#
# Branches that are cut short: the command, the process that finishes for it or
# QEMU is killed, or the disk is full. No half of one is ever ready, a promise
# that cannot be kept is known as broken, and the source goes on at once.
# LONG=1 does all of it three times as often.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

MODES="live diff full"
KILLS=${LONG:+12}
KILLS=${KILLS:-4}
LEVELS=20	   # of a full disk
LEVELS_TO_FIT=16   # from this one on there is room enough
ROOMY_KIB=1048576
GOES_ON_MS=1000	   # on a quiet machine
GOES_ON_MS_MAX=5000
declare -A took_ms # by each mode, undisturbed
worst_ms=0

# --- what has to hold --------------------------------------------------------

# What is sent to a VM that is paused is answered when it goes on.
goes_on() {
	local began=${EPOCHREALTIME/./} ms

	ping -4 -n -q -c 1 -W 10 "$source_ip" >/dev/null || {
		echo "the source does not answer"
		return 1
	}
	ms=$(((${EPOCHREALTIME/./} - began) / 1000))
	[ "$ms" -le "$worst_ms" ] || worst_ms=$ms
	[ "$ms" -le "$GOES_ON_MS" ] || echo "the source went on after $ms ms"
	[ "$ms" -le "$GOES_ON_MS_MAX" ]
}

status_of() { # SNAPSHOT: ready, writing, broken or none
	vmfork snapshots --json | jq -er --arg name "$1" \
		'[.[] | select(.name == $name) | .status][0] // "none"'
}

is_settled() { # SNAPSHOT
	status=$(status_of "$1") && [ "$status" != writing ]
}

is_of_one_line() { # TEXT: of an error, a hint aside
	[ "$(grep -c '^vmfork: ' <<<"$1")" -ge 1 ] &&
		[ "$(grep -vc '^vmfork: hint: ' <<<"$1")" = 1 ]
}

# Only a whole one is ready: it can be forked. The manifest of a ready one verifies,
# with the sizes of all files, so one fork in each mode is enough.
is_forkable() { # SNAPSHOT
	forked=1
	vmfork fork "$1" --name whole --json | jq -e '.acked == 1' >/dev/null &&
		vmfork stop whole-1 >/dev/null
}

# One that was not promised to anybody is ready, or there is none.
all_or_nothing() { # STATUS_OF_COMMAND
	is_settled cut || return
	echo "cut: $status"
	case $1,$status in
	0,ready) ;;
	137,ready) [ -n "$forked" ] || is_forkable cut || return ;;
	*,none) return ;;
	*) return 1 ;;
	esac
	vmfork rmi cut
}

# A random moment of a mode's time.
moment() { # MODE
	local ms=$((RANDOM % took_ms[$1]))

	printf '%d.%03d' $((ms / 1000)) $((ms % 1000))
}

# --- kills -------------------------------------------------------------------

kill_commands() { # MODE
	local i

	for ((i = 0; i < KILLS; i++)); do
		signalled KILL "$(moment "$1")" snapshot src cut --mode "$1"
		set -- "$1" $?
		goes_on && all_or_nothing "$2" || return
	done
	vmfork gc
	left_nothing
}

# The command is killed: who finishes for it does, or it had not begun.
kill_promisers() { # MODE
	local i

	for ((i = 0; i < KILLS; i++)); do
		signalled KILL "$(moment "$1")" \
			snapshot src cut --mode "$1" --no-wait
		goes_on && retry_until 30 is_settled cut &&
			all_or_nothing 137 || return
	done
	vmfork gc
	left_nothing
}

# Who finishes is killed: what was promised is ready, or known as broken.
kill_finishers() { # MODE
	local i pid

	for ((i = 0; i < KILLS; i++)); do
		vmfork snapshot src cut --mode "$1" --no-wait >/dev/null ||
			return
		# the second line is that of /proc/PID/stat
		pid=$(sed -n '2s/ .*//p' "$STATE/snapshots/.cut.stage/creator")
		[ -z "$pid" ] || kill -KILL "$pid"
		goes_on && retry_until 10 is_promised || return
		case $status in
		ready) [ -n "$forked" ] || is_forkable cut ;;
		broken) vmfork gc && is_refused ;;
		esac && vmfork rmi cut || return
	done
	vmfork gc
	left_nothing
}

is_promised() {
	is_settled cut && [ "$status" != none ]
}

is_refused() {
	broken=$((broken + 1))
	says 1 'could not be finished: .*killed' "$VMFORK" fork cut
}

kill_engines() { # MODE
	local i pid

	vmfork fork base -n "$KILLS" --name victim >/dev/null || return
	for ((i = 1; i <= KILLS; i++)); do
		pid=$(vm_field "victim-$i" .pid)
		"$VMFORK" snapshot "victim-$i" cut --mode "$1" \
			>/dev/null 2>"$notes/said" &
		read -r -t "$(moment "$1")" <>"$notes/never"
		kill -KILL "$pid"
		wait_end $! || return
		wait $!
		set -- "$1" $?
		echo "$1: $2 $(cat "$notes/said")"
		[ "$2" = 0 ] || is_of_one_line "$(cat "$notes/said")" || return
		all_or_nothing "$2" && goes_on || return
	done
	vmfork gc
	left_nothing
}

# --- a disk that is full -----------------------------------------------------

used_kib() {
	df --output=used "$STATE" | tail -n 1
}

resize() { # KIB
	mount -o "remount,size=$1k" "$STATE"
}

fill() { # MODE LEVEL
	local said rc

	said=$(vmfork snapshot src cut --mode "$1" 2>&1 >/dev/null)
	rc=$?
	echo "$1, level $2: $rc $said"
	goes_on || return
	if [ "$rc" = 0 ]; then
		fitted=$((fitted + 1))
		all_or_nothing 0
	else
		[ "$rc" = 1 ] && is_of_one_line "$said" && all_or_nothing 1 &&
			left_nothing
	fi
}

# In a short run each level is for one mode.
full_disks() {
	local i used mode turn=0

	used=$(used_kib)
	for ((i = 0; i < LEVELS; i++)); do
		resize $((used + need_kib * i / LEVELS_TO_FIT)) || return
		for mode in $MODES; do
			turn=$((turn + 1))
			[ -n "${LONG:-}" ] || [ $((turn % 4)) = 1 ] || continue
			fill "$mode" "$i" || return
		done
	done
}

broken_of_a_full_disk() {
	local used

	used=$(used_kib)
	resize $((used + need_kib / 2)) || return
	vmfork snapshot src cut --mode live --no-wait >/dev/null || return
	goes_on && retry_until 30 is_settled cut && [ "$status" = broken ] &&
		says 1 'could not be finished: ' "$VMFORK" fork cut &&
		vmfork rmi cut && left_nothing
}

undisturbed() { # MODE
	local said

	said=$(vmfork snapshot src plain --mode "$1" --json) || return
	took_ms[$1]=$(jq '.total_us / 1000 | ceil' <<<"$said")
	need_kib=$(jq '.dirty_bytes / 1024 | ceil' <<<"$said")
	vmfork rmi plain && echo "$1: ${took_ms[$1]} ms"
}

run_all() {
	local mode

	for mode in $MODES; do
		forked=
		check "$mode" undisturbed "$mode" || return
		check "$mode: the command is killed" kill_commands "$mode"
		check "$mode: it is killed, having promised" kill_promisers "$mode"
		broken=0
		check "$mode: who keeps the promise is killed" \
			kill_finishers "$mode"
		[ "$mode" != live ] ||
			check "which breaks it" [ "$broken" -gt 0 ]
		check "$mode: QEMU is killed" kill_engines "$mode"
	done
}

boot src --memory 128M || bail "no source"
source_ip=$(vm_field src .ipv4)
source_ip=${source_ip%/*}
check "a base" vmfork snapshot src base --mode full
note_state
run_all
fitted=0
check "a disk that is full, at $LEVELS levels" full_disks
check "or just not" [ "$fitted" -gt 0 ]
check "a promise on a disk that is full" broken_of_a_full_disk
check "gc finds nothing more" gc_restores
resize "$ROOMY_KIB"
check "the source works" guest src true
check "and can be forked" vmfork snapshot src after
check "which does" is_forkable after
echo "the source went on within $worst_ms ms"
done_testing
