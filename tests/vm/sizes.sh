#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
#
# Guests of other sizes than most tests have: an image is of one moment, and its
# fork is told its network. With LONG=1 each mode once, in a small guest, a larger
# one, and one that has memory above 4 GiB, too.
# shellcheck source=tests/vm/lib-invariant.sh
. "$(dirname "$0")/lib-invariant.sh"

SIZES=${LONG:+256 1536 3072}
SIZES=${SIZES:-1536}

has_memory() { # VM MIB
	[ "$(guest "$1" "awk '/^MemTotal/ { print \$2 }' /proc/meminfo")" -gt \
		$(($2 * 1024 * 85 / 100)) ]
}

check_mode() { # MODE VM SNAPSHOT
	local said

	said=$(vmfork snapshot "$2" "$3" --mode "$1" --json)
	check "$3: it is ready" holds "$said" ".status == \"ready\" and
		.mode == \"$1\" and .memory_bytes == $mib * 1048576"
	check "$3: a fork" holds "$(vmfork fork "$3" --name "of-$3" --json)" \
		'.acked == 1 and .forks[0].verified'
	check_invariant "$3" "of-$3-1"
}

check_size() { # MIB
	local mode mib=$1

	boot src --memory "$1M" || {
		not_ok "$1 MiB: no source"
		return
	}
	check "$1 MiB: the guest has it" has_memory src "$1"
	check "$1 MiB: the program works" invariant_runs src
	for mode in live ${LONG:+full diff}; do
		check_mode "$mode" src "$mode-$1"
	done
	vmfork stop src >/dev/null
	for mode in diff ${LONG:+live}; do
		check_mode "$mode" "of-live-$1-1" "$mode-of-live-$1"
	done
	vmfork stop --all >/dev/null
	vmfork rmi "live-$1" --cascade >/dev/null
}

invariant_initramfs || bail "no initramfs"
for size in $SIZES; do
	check_size "$size"
done
done_testing
