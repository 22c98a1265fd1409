#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 600
#
# Branches of a VM that works as hard as it can: whatever the mode, an image is
# the memory of one moment, and that of its devices. Layers on layers come to the
# memory that their source had.
# shellcheck source=tests/vm/lib-invariant.sh
. "$(dirname "$0")/lib-invariant.sh"

BRANCHES=${LONG:+2000}
BRANCHES=${BRANCHES:-100}

boot_id() { # VM
	guest "$1" 'cat /proc/sys/kernel/random/boot_id' 5
}

booted_again() { # VM BOOT_ID
	local now

	now=$(boot_id "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}

# All at once: a boot is what takes longest here.
check_reboots() { # VM...
	local vm
	declare -A was

	for vm; do
		was[$vm]=$(boot_id "$vm")
		guest "$vm" '(sleep 1; reboot -f) >/dev/null 2>&1 &'
	done
	for vm; do
		check "$vm reboots" retry_until 90 booted_again "$vm" \
			"${was[$vm]}"
		check "$vm is itself" retry_until 30 has_own_network "$vm"
	done
}

# Branches one after the other, of a VM that booted and of one that was forked.
# What has to do with memory alone is seen in their images: no fork each.
many_branches() { # VM MODE VM MODE...
	local i said

	for ((i = 0; i < BRANCHES; i++)); do
		vmfork snapshot "$1" turn --mode "$2" >/dev/null || return
		said=$(moment turn "$PAGES") || {
			echo "$i: $2 of $1: $said"
			return 1
		}
		vmfork rmi turn >/dev/null || return
		set -- "${@:3}" "$1" "$2"
	done
}

invariant_initramfs || bail "no initramfs"
boot src --memory 128M || bail "no source"
check "the program works" invariant_runs src

check_branch live src live
check_branch diff src diff
vmfork stop of-diff-1 >/dev/null
check_branch auto src auto live
vmfork stop of-auto-1 >/dev/null
check "memory of one moment is in their images" moment live "$PAGES"
check "where one of another would be found" [ "$(moment live $((PAGES - 1)) |
	sed 's/.*wrong=//')" -gt 0 ]
check "$BRANCHES branches are each of one moment" many_branches \
	of-live-1 diff src live of-live-1 diff src full \
	of-live-1 diff of-live-1 live of-live-1 diff src diff
check_invariant "the source" src
vmfork stop src >/dev/null

check_branch diff of-live-1 layer
vmfork stop of-live-1 >/dev/null
check_branch diff of-layer-1 second
check "layers build on each other" holds "$(vmfork snapshots --json)" '
	[.[] | select(.parent) | "\(.name) \(.parent)"]
	== ["layer live", "second layer"]'
check_branch live of-layer-1 whole
check "a live branch of a layer's fork is whole" holds \
	"$(vmfork inspect whole --json)" '.parent == null'
# a fork of that, and one of a layer
check_reboots of-whole-1 of-second-1
vmfork stop of-whole-1 of-second-1 of-layer-1 >/dev/null

check_fails "one that others build on is not removed" 1 \
	'snapshot live: snapshot layer builds on it' vmfork rmi live
check "a layer is flattened" vmfork snapshot flatten second
check "then it needs no other" vmfork rmi live --cascade
check "those that did are gone" holds "$(vmfork snapshots --json)" '
	[.[].name] | sort == ["auto", "diff", "second", "whole"]'
check "it can be forked" holds "$(vmfork fork second --name flat --json)" \
	'.acked == 1'
check_invariant "a fork of what was a layer" flat-1
# the program can tell: an old page in place of one of its own
guest flat-1 'dd if=/dev/zero of=/tmp/invariant bs=4096 seek=9 count=1 \
	conv=notrunc 2>/dev/null'
check "a page of another moment would be found" retry_until 30 is_broken flat-1
done_testing
