#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 400
#
# Guests whose memory does not fit below the devices: a part of it stands above
# 4 GiB, and the image has two regions. Most of it is a hole.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

big_guest() { # SIZE GIB
	local image sum wanted=$(($2 * 1024 * 1024 * 9 / 10))

	boot "src-$2" --memory "$1" || {
		not_ok "$1: no source"
		return
	}
	check "$1: the guest has it" guest "src-$2" "[ \$(awk \
		'/^MemTotal/ { print \$2 }' /proc/meminfo) -gt $wanted ]"
	# the kernel hands out what is above 4 GiB first
	sum=$(guest "src-$2" 'dd if=/dev/urandom of=/tmp/fill bs=1M count=8 \
		2>/dev/null && md5sum </tmp/fill' 60) ||
		bail "the guest cannot fill its memory"
	check "$1: a snapshot" vmfork snapshot "src-$2" "big-$2"
	image=$(vmfork inspect "big-$2" --json)
	check "$1: its image is sparse" holds "$image" \
		".memory_bytes == $2 * 1073741824 and .dirty_bytes < 536870912"
	check "$1: a part is above 4 GiB" holds "$image" '
		[.. | objects | select(has("gpa")) | .gpa] | length == 2
		and any(. == 4294967296 or . == "0x100000000")'
	check "$1: two forks" holds "$(vmfork fork "big-$2" -n 2 \
		--name "fork-$2" --json)" '.acked == 2'
	for vm in "fork-$2-1" "fork-$2-2"; do
		check "$1: $vm has its own network" has_own_network "$vm"
		check "$1: $vm finds its memory" same "$sum" \
			"$(guest "$vm" 'md5sum </tmp/fill' 60)"
	done
	vmfork stop --all >/dev/null
	vmfork rmi "big-$2" >/dev/null
}

big_guest 3G 3
big_guest 4G 4
done_testing
