#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
#
# A VM without a kernel of ours: its firmware boots its first disk, whose boot
# loader has all else. It is snapshotted and forked like any other.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

FORKS=2

# FAT, whose boot loader needs neither root nor a mount to be put there.
make_bootable() { # IMAGE
	cat >"$notes/syslinux.cfg" <<-END
		DEFAULT guest
		LABEL guest
		KERNEL vmlinuz
		APPEND initrd=initrd console=ttyS0 quiet by=disk
	END
	truncate -s 48M "$1" &&
		mformat -i "$1" -T $((48 * 2048)) -h 16 -s 63 :: &&
		syslinux --install "$1" &&
		mcopy -i "$1" "$notes/syslinux.cfg" :: &&
		mcopy -i "$1" "$VMFORK_KERNEL" ::vmlinuz &&
		mcopy -i "$1" "$VMFORK_INITRD" ::initrd
}

boot_id() { # VM
	guest "$1" 'cat /proc/sys/kernel/random/boot_id' 5
}

booted_again() { # VM BOOT_ID
	local now

	now=$(boot_id "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}

make_bootable "$notes/boot" || bail "no bootable disk"
export VMFORK_KERNEL=''
before=$(sha256sum "$notes/boot")
boot src --memory 128M --timeout 120 --disk "$notes/boot" || bail "no source"
note_state
truncate -s 1M "$notes/empty"
check "neither kernel nor disk" says 2 "nothing to boot: --kernel .* --disk" \
	"$VMFORK" run bad
for words in quiet 'console=ttyS0 quiet'; do
	check "words for no kernel" says 2 "append: there is no --kernel" \
		"$VMFORK" run bad --disk "$notes/boot" --append "$words"
done
check "an initrd for no kernel" says 2 "initrd: there is no --kernel" \
	"$VMFORK" run bad --disk "$notes/boot" --initrd "$notes/boot"
# far earlier than a guest would have to be armed
check "a disk without a boot loader" timeout 50 bash -c "$(declare -f says)
	says 1 'its first disk has nothing that a BIOS could boot' '$VMFORK' \
		run bad --disk '$notes/empty' --accel tcg --timeout 300"
check "nothing is left of these" left_nothing
check "it was booted by its disk" guest src 'grep -q by=disk /proc/cmdline'
check "which is on record" holds "$(vmfork inspect src)" \
	'.record.hardware | .kernel == false and .initrd == false'
check "with a network of its own" has_own_network src
check "a snapshot" vmfork snapshot src ready
check "which says so too" holds "$(vmfork inspect ready)" \
	'.manifest.hardware.kernel == false'
check "forks" holds "$(vmfork fork ready -n $FORKS --name web --json)" \
	".acked == $FORKS and .failed == 0"
for ((i = 1; i <= FORKS; i++)); do
	check "fork $i has a network of its own" has_own_network "web-$i"
done
vmfork stop src web-2 >/dev/null
was=$(boot_id web-1)
guest web-1 '(sleep 1; reboot -f) >/dev/null 2>&1 &'
check "a fork reboots from its disk" retry_until 120 booted_again web-1 "$was"
check "and comes back as itself" retry_until 30 has_own_network web-1
check "the image is as it was" same "$before" "$(sha256sum "$notes/boot")"
done_testing
