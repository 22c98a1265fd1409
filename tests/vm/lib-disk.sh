# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For tests that want a state directory on a disk's file system; sourced after
# lib.sh.

# The disk is a file, and gone with $STATE; $VMFORK_STATE is on it from here on.
disk_state() {
	mkdir "$STATE/disk"
	truncate -s 2G "$STATE/image"
	mkfs.ext4 -q -F "$STATE/image" || bail "no file system"
	mount -o loop "$STATE/image" "$STATE/disk" 2>/dev/null ||
		skip_all "no disk can be made of a file here"
	trap disk_leave EXIT
	export VMFORK_STATE=$STATE/disk
	# what is known of KVM need not be found out once more
	cp "$STATE/kvm-unusable" "$VMFORK_STATE/" 2>/dev/null
}

# Before the directory around it goes.
disk_leave() {
	vmfork stop --all >/dev/null 2>&1
	vmfork net rm default >/dev/null 2>&1
	umount "$STATE/disk"
	VMFORK_STATE=$STATE
	cleanup
}
