#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
#
# A guest that changes more memory until it is paused than anybody expected: a
# diff tries again with more room, three times; then who left the choice to
# vmfork has a live branch, and who did not is told (with LONG=1).
# shellcheck source=tests/vm/lib-invariant.sh
. "$(dirname "$0")/lib-invariant.sh"

# What is too much for a third try has to fit into the slice of it that each
# processor copies, of which there are four at most.
SLICE_MIB=256

busy() { # VM SNAPSHOT MODE TIMES
	"$BUILD/tests/vm/busy" "$@"
}

check_taken() { # WHAT SAID WANTED SNAPSHOT
	check "$1" same "$3" "$2"
	check "$1: it is of one moment" moment "$4" "$PAGES"
	check "$1: a fork of it" holds "$(vmfork fork "$4" --name "of-$4" \
		--json)" '.acked == 1'
	check_invariant "$1" "of-$4-1"
	vmfork stop "of-$4-1" >/dev/null
	vmfork rmi "$4" >/dev/null
}

check_refused() {
	check_fails "three times: it is said" 1 \
		'^vmfork: snapshot never: more memory changed than was expected' \
		busy web-2 never diff 3
	check "and nothing is left" same '["base"]' \
		"$(vmfork snapshots --json | jq -c 'map(.name)')"
	check_invariant "three times" web-2
	vmfork stop web-2 >/dev/null
}

invariant_initramfs || bail "no initramfs"
slices=$(nproc)
[ "$slices" -le 4 ] || slices=4
boot src --memory $((SLICE_MIB * slices))M || bail "no source"
check "the program works" invariant_runs src
check "a base" vmfork snapshot src base --mode live
vmfork stop src >/dev/null
vmfork fork base -n 3 --name web >/dev/null || bail "no forks"
check_taken "once" "$(busy web-1 once diff 1)" 'mode=diff pauses=2' once
vmfork stop web-1 >/dev/null
[ -z "${LONG:-}" ] || check_refused
check_taken "three times, with a choice" "$(busy web-3 other auto 3)" \
	'mode=live pauses=3' other
check_invariant "afterwards" web-3
done_testing
