#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
# waits
#
# Whoever does not answer holds up nobody for ever: an engine that is stopped,
# and a guest that floods its console. No kernel of a guest has a part in it.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

DEADLINE_S=15
AT_ONCE_S=2
FLOOD_S=3
FLOOD_MIN=16384 # bytes that count as one

# A command ends in time; if it fails, with one line.
ends() { # COMMAND...
	local began=$SECONDS text rc

	text=$(timeout -s KILL $((DEADLINE_S + 1)) "$VMFORK" "$@" \
		2>&1 >/dev/null </dev/null)
	rc=$?
	echo "$*: exit status $rc after $((SECONDS - began)) s: $text"
	[ $((SECONDS - began)) -le "$DEADLINE_S" ] || return
	case $rc in
	0) [ -z "$text" ] ;;
	1) [ "$(grep -c '^vmfork: ' <<<"$text")" = 1 ] &&
		[ "$(wc -l <<<"$text")" = 1 ] ;;
	*) false ;;
	esac
}

ends_each() { # VERB: three times, for a queue may have room for the first two
	local i

	for i in 1 2 3; do
		case $1 in
		snapshot) ends snapshot src "never-$i" ;;
		*) ends "$1" src ;;
		esac || return
	done
}

interrupted_at_once() { # COMMAND...
	local began=$SECONDS

	signalled INT 1 "$@"
	[ $? = 1 ] && [ $((SECONDS - began)) -le $((1 + AT_ONCE_S)) ] &&
		same 'vmfork: interrupted' "$(cat "$notes/out")"
}

# Told more than anybody takes of it, it still ends when it has to.
takes_nothing() { # VM
	kill -STOP "$(vm_field "$1" .pid)" || return
	timeout -k "$DEADLINE_S" "$AT_ONCE_S" "$VMFORK" console "$1" </dev/zero >/dev/null 2>&1
	same 124 $?
}

state_bytes() {
	du -s --apparent-size --block-size=1 "$STATE" | cut -f 1
}

# A guest that says more than its state directory grows by.
floods() {
	local before said grown

	before=$(state_bytes)
	said=$(guest src "yes >/dev/ttyS0 & sleep $FLOOD_S; kill \$!" | wc -c)
	grown=$(($(state_bytes) - before))
	echo "said $said bytes, the state directory has grown by $grown"
	[ "$said" -ge "$FLOOD_MIN" ] && [ "$grown" -lt "$FLOOD_MIN" ]
}

boot src || bail "no source"
vmfork snapshot src ready || bail "no snapshot"
note_state
pid=$(vm_field src .pid)
kill -STOP "$pid"
check "an engine that is stopped: a snapshot ends" ends_each snapshot
check "a console ends" ends_each console
check "one that waits is interrupted at once" \
	interrupted_at_once snapshot src never
check "ps does not ask it" ends ps
check "a fork of its snapshot does not need it" vmfork fork ready --name web
check "a console that is told more than anybody takes is interrupted" takes_nothing web-1
check "it is stopped like any other" vmfork stop web-1
kill -CONT "$pid"
check "none of that has left anything" left_nothing
check "once it goes on, its guest does" retry_until 10 guest src true
check "and a snapshot is taken" vmfork snapshot src again
check "which can be forked" holds \
	"$(vmfork fork again --name next --json)" '.acked == 1'
check "a guest that floods its console fills no disk" floods
check "and is its old self afterwards" reachable src
done_testing
