#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 600
#
# Branches that are cut short: the command, the process that finishes for it or
# QEMU is killed, or the disk is full. No half of one is ever ready, a promise
# that cannot be kept is known as broken, and the source goes on at once.
# LONG=1 does all of it three times as often.
# shellcheck source=tests/vm/lib-faults.sh
. "$(dirname "$0")/lib-faults.sh"

KILLS=${LONG:+12}
KILLS=${KILLS:-4}
LEVELS=20	   # of a full disk
LEVELS_TO_FIT=16   # from this one on there is room enough
ROOMY_KIB=1048576
declare -A took_ms # by each mode, undisturbed

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

# The user gives up: the source does not wait for all that is undone.
interrupt_commands() { # MODE
	local i pid rc

	for ((i = 0; i < KILLS; i++)); do
		"$VMFORK" snapshot src cut --mode "$1" >"$notes/said" 2>&1 &
		pid=$!
		read -r -t "$(moment "$1")" <>"$notes/never"
		kill -TERM "$pid" 2>/dev/null
		goes_on || return
		wait_end "$pid" || return
		wait "$pid"
		rc=$?
		echo "$1: $rc $(tail -n 1 "$notes/said")"
		all_or_nothing "$rc" || return
	done
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

# Who finishes is killed.
kill_finishers() { # MODE
	local i pid

	for ((i = 0; i < KILLS; i++)); do
		vmfork snapshot src cut --mode "$1" --no-wait >/dev/null ||
			return
		# the second line is that of /proc/PID/stat
		pid=$(sed -n '2s/ .*//p' "$STATE/snapshots/.cut.stage/creator")
		[ -z "$pid" ] || kill -KILL "$pid"
		goes_on && kept_or_refused killed || return
	done
	vmfork gc
	left_nothing
}

# One that had been promised is not forgotten for that.
kill_engines() { # MODE [--no-wait]
	local i pid rc

	vmfork fork base -n "$KILLS" --name victim >/dev/null || return
	for ((i = 1; i <= KILLS; i++)); do
		pid=$(vm_field "victim-$i" .pid)
		"$VMFORK" snapshot "victim-$i" cut --mode "$@" \
			>/dev/null 2>"$notes/said" &
		read -r -t "$(moment "$1")" <>"$notes/never"
		kill -KILL "$pid"
		wait_end $! || return
		wait $!
		rc=$?
		echo "$*: $rc $(cat "$notes/said")"
		[ "$rc" = 0 ] || is_of_one_line "$(cat "$notes/said")" || return
		if [ "$rc$#" = 02 ]; then
			kept_or_refused '(QEMU|engine)'
		else
			all_or_nothing "$rc"
		fi && goes_on || return
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

# The same where nobody waits for it: what was promised is known as broken.
fill_promised() { # MODE LEVEL
	local said rc

	said=$(vmfork snapshot src cut --mode "$1" --no-wait 2>&1 >/dev/null)
	rc=$?
	echo "$1, promised, level $2: $rc $said"
	goes_on || return
	if [ "$rc" = 0 ]; then
		kept_or_refused ''
	else
		[ "$rc" = 1 ] && is_of_one_line "$said" && all_or_nothing 1
	fi && left_nothing
}

turn_of() { # NUMBER: one mode of all, each in its turn
	# shellcheck disable=SC2086 # a word each
	set -- "$1" $MODES
	if [ -n "${LONG:-}" ]; then
		echo "${@:2}"
	else
		echo "${@:2 + $1 % 3:1}"
	fi
}

# In a short run each level is for one mode, and for another that is promised.
full_disks() {
	local i used mode

	used=$(used_kib)
	for ((i = 0; i < LEVELS; i++)); do
		resize $((used + need_kib * i / LEVELS_TO_FIT)) || return
		for mode in $(turn_of "$i"); do
			fill "$mode" "$i" || return
		done
		for mode in $(turn_of $((i + 1))); do
			fill_promised "$mode" "$i" || return
		done
	done
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
		check "$mode: it is interrupted" interrupt_commands "$mode"
		check "$mode: it is killed, having promised" kill_promisers "$mode"
		broken=0
		check "$mode: who keeps the promise is killed" \
			kill_finishers "$mode"
		[ "$mode" != live ] ||
			check "which breaks it" [ "$broken" -gt 0 ]
		check "$mode: QEMU is killed" kill_engines "$mode"
		check "$mode: it is killed, and was promised" \
			kill_engines "$mode" --no-wait
	done
}

boot src --memory 128M || bail "no source"
source_ip=$(vm_field src .ipv4)
source_ip=${source_ip%/*}
check "a base" vmfork snapshot src base --mode full
note_state
run_all
fitted=0 broken=0
forked=1 # there is no room for a fork
check "a disk that is full, at $LEVELS levels" full_disks
check "or just not" [ "$fitted" -gt 0 ]
check "which breaks promises" [ "$broken" -gt 0 ]
check "gc finds nothing more" gc_restores
resize "$ROOMY_KIB"
check "the source works" guest src true
check "and can be forked" vmfork snapshot src after
check "which does" is_forkable after
echo "the source went on within $worst_ms ms"
done_testing
