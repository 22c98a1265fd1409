#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
# waits
#
# Guests that never arm: run gives them all of their time, ends then, and shows what
# they said last. Both at once, for nearly all of it is waiting.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

ARM_S=45 # time to boot in on a busy machine, too
END_S=15

# Says one thing from its first moment on, without an end.
flooding_guest() {
	echo 'yes "water, water"' >"$notes/profile"
	"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
		--agent "$BUILD/vmfork-agent" --out "$notes/flood.cpio.gz" \
		--add "/etc/profile=$notes/profile"
}

# Its status, and how long it took, go to a file of its own.
run_in_vain() { # NAME WORDS [OPTION]...
	local name=$1 words=$2 began=$SECONDS rc

	shift 2
	vmfork run "$name" --memory 128M --accel tcg --timeout "$ARM_S" "$@" \
		--append "console=ttyS0 quiet vmfork.agent=$words" \
		>/dev/null 2>"$notes/$name"
	rc=$?
	echo "$rc $((SECONDS - began))" >"$notes/$name.end"
}

# One line of its own, and before it the guest's.
ended_in_time() { # NAME
	local rc took

	cat "$notes/$1"
	read -r rc took <"$notes/$1.end" || return
	echo "$1: exit status $rc after $took s"
	[ "$rc" = 1 ] && [ "$took" -le $((ARM_S + END_S)) ] &&
		[ "$(grep -v '^vmfork: hint: ' "$notes/$1" |
			grep -vc '^vmfork: console: ')" = 1 ]
}

[ "$KERNEL" = 6.12 ] || skip_all "7.2 has a driver for VMClock"
flooding_guest || bail "no initramfs"
# who comes first makes the network, with what there is to it
vmfork run first --no-wait --accel tcg >/dev/null || bail "no VM"
vmfork stop first >/dev/null
note_state
run_in_vain wet none --initrd "$notes/flood.cpio.gz" &
run_in_vain lacking --signal,vmclock
wait
check "one that floods its console: run ends" ended_in_time wet
check "and shows what it said last" [ \
	"$(grep -c '^vmfork: console: water, water$' "$notes/wet")" -ge 3 ]
check "one without a driver for VMClock: run ends" ended_in_time lacking
check "and shows what its agent said" grep -q \
	'^vmfork: console: .*signal vmclock: there is no /dev/vmclock0' "$notes/lacking"
check "nothing is left of them" left_nothing
done_testing
