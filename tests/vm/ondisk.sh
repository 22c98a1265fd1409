#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
#
# A state directory on a disk's file system: what a fork maps of it cannot be
# write-protected. There is no live branch of such a fork, which is said; auto
# takes what there can be, and says why.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/vm/lib-disk.sh
. "$(dirname "$0")/lib-disk.sh"

WHY="memory cannot be write-protected"

# One line on standard error, which says why; the record on standard output.
chosen() { # VM SNAPSHOT MODE
	local said

	said=$(vmfork snapshot "$1" "$2" --json 2>"$notes/said")
	cat "$notes/said"
	holds "$said" ".status == \"ready\" and .mode == \"$3\"" &&
		grep -qx "vmfork: snapshot $2: this VM's $WHY: taken as $3" \
			"$notes/said" && [ "$(wc -l <"$notes/said")" = 1 ]
}

forks() { # SNAPSHOT
	holds "$(vmfork fork "$1" --name "of-$1" --json)" '.acked == 1'
}

disk_state
boot src --memory 128M || bail "no source"
check "a VM that booted has memory of its own: live" holds \
	"$(vmfork snapshot src base --json)" '.mode == "live"'
vmfork stop src >/dev/null
check "a fork" forks base
check "live of a fork is refused" says 1 "snapshot never: this VM's $WHY" \
	"$VMFORK" snapshot of-base-1 never --mode live
check "with a hint" grep -q '^vmfork: hint: .*use --mode diff or full$' <<<"$(
	vmfork snapshot of-base-1 never --mode live 2>&1)"
check "so it is with --no-wait" says 1 "snapshot never: this VM's $WHY" \
	"$VMFORK" snapshot of-base-1 never --mode live --no-wait
check "nothing is left of that" same '["base"]' \
	"$(vmfork snapshots --json | jq -c 'map(.name)')"
check "auto takes a diff, and says why" chosen of-base-1 layer diff
check "which can be forked" forks layer
check "without its base, auto takes all of it" vmfork rmi base layer --force
check "and says why" chosen of-base-1 whole full
check "which can be forked, too" forks whole
check "and has its own network" has_own_network of-whole-1
done_testing
