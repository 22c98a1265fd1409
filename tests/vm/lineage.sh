#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
#
# Forks of snapshots that are written, flattened or removed at the same time:
# they wait, or have all files that they began with.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

ROUNDS=4

writer() { # SNAPSHOT
	sed -n '2s/ .*//p' "$STATE/snapshots/.$1.stage/creator"
}

status_of() { # SNAPSHOT
	vmfork snapshots --json | jq -r --arg name "$1" \
		'.[] | select(.name == $name) | .status'
}

# One whose writer stands still, in $writing and $stopped.
catch_writer() {
	for writing in w1 w2 w3 w4 w5 w6; do
		vmfork snapshot src "$writing" --mode live --no-wait \
			>/dev/null || return
		stopped=$(writer "$writing") && kill -STOP "$stopped" &&
			[ "$(status_of "$writing")" = writing ] && return
	done
	return 1
}

# Is it still there, or was it gone before it began? No file of it is missing.
forked_or_gone() { # SNAPSHOT NAME
	local said

	said=$(vmfork fork "$1" -n 2 --name "$2" --json 2>&1) &&
		holds "$said" '.acked == 2' && return
	echo "$said"
	[ "$(grep -c "snapshot $1: does not exist" <<<"$said")" = 1 ]
}

beside() { # COMMAND... of vmfork; a fork of "layer" is made meanwhile
	local job ok=0

	forked_or_gone layer beside &
	job=$!
	# by then it has the snapshot, and not yet all of its files
	while [ ! -e "$STATE/vms/beside-1" ] && kill -0 "$job" 2>/dev/null; do
		:
	done
	vmfork "$@" || ok=1
	wait "$job" || ok=1
	vmfork stop beside-1 beside-2 >/dev/null 2>&1
	return "$ok"
}

# A snapshot "late" whose command stands still behind the pause, in $stopped: what
# it builds on can be removed, for nothing that is there builds on that yet.
catch_layer() { # VM
	local try file=$STATE/snapshots/.late.stage/layer

	for try in 1 2 3 4 5 6; do
		"$VMFORK" snapshot "$1" late --mode diff >"$notes/late" 2>&1 &
		stopped=$!
		while [ ! -e "$file" ] && kill -0 "$stopped" 2>/dev/null; do
			:
		done
		kill -STOP "$stopped" 2>/dev/null && [ -e "$file" ] && return
		kill -CONT "$stopped" 2>/dev/null
		wait "$stopped"
		echo "$try: too late"
		vmfork rmi late
	done
	return 1
}

# It goes on, and fails, with one line that matches.
late_fails() { # PATTERN
	kill -CONT "$stopped"
	! wait "$stopped" && cat "$notes/late" && grep -q "$1" "$notes/late" &&
		[ -z "$(status_of late)" ]
}

layer() {
	vmfork snapshot of-base-1 layer --mode diff >/dev/null
}

boot src --memory 256M || bail "no source"
check "a writer is caught" catch_writer || bail "none"
check_fails "a fork waits for it, but not for ever" 1 \
	"snapshot $writing: is still being written" \
	vmfork fork "$writing" --timeout 1
check_fails "--no-wait does not" 1 "snapshot $writing: is being written" \
	vmfork fork "$writing" --no-wait
check_fails "it cannot be removed yet" 1 \
	"snapshot $writing: is being written" vmfork rmi "$writing"
kill -CONT "$stopped"
check "a fork waits, also without mail" vmfork fork "$writing" --no-mail \
	--name mute
check "it was ready then" same ready "$(status_of "$writing")"

vmfork stop --all >/dev/null
vmfork fork "$writing" --name of-base >/dev/null || bail "no fork"
for i in $(seq $ROUNDS); do
	layer || bail "no layer"
	check "$i: a fork beside flatten" beside snapshot flatten layer
	check "$i: a fork beside rmi" beside rmi layer
done
layer
check "rmi --force leaves an orphan" vmfork rmi "$writing" --force
check "which is broken, and says why" holds "$(vmfork snapshots --json)" "
	[.[] | select(.name == \"layer\")] | length == 1 and
	.[0].status == \"broken\" and (.[0].error | contains(\"$writing\"))"
hint='vmfork rmi layer'
for verb in fork 'snapshot flatten'; do
	# shellcheck disable=SC2086 # one or two words
	check "$verb says so, and what to do" says 1 \
		"layer: what it builds on: snapshot $writing: does not exist" \
		vmfork $verb layer
	# shellcheck disable=SC2086
	check "$verb has a hint" grep -q "^vmfork: hint: .*$hint" \
		<(vmfork $verb layer 2>&1)
done
check "another of that name" vmfork snapshot of-base-1 "$writing" --mode full
check_fails "is not what it was" 1 "$writing: is not the one that it was" \
	vmfork fork layer
check "it can be removed" vmfork rmi layer

vmfork fork "$writing" -n 2 --name late >/dev/null || bail "no fork"
guest late-1 'dd if=/dev/urandom of=/tmp/x bs=64k count=128 2>/dev/null'
check "a snapshot stands still before it is there" catch_layer late-1 ||
	bail "none"
check "what it will build on is removed" vmfork rmi "$writing"
check "and made anew" vmfork snapshot late-2 "$writing" --mode full
check "then it fails" late_fails "$writing: was removed meanwhile"
check "its source goes on" reachable late-1
check "gc removes what was still read" vmfork gc
check "nothing is hidden" same "" \
	"$(find "$STATE/snapshots" -mindepth 1 -maxdepth 1 -name '.*')"
done_testing
