#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 400
#
# Disks of VMs that branch while they write: each fork's disk is of the moment
# that its memory is of, and its own; nobody writes the image below, and what
# fails leaves nothing.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

BLOCKS=256
DISKS=(--disk "$notes/fs" --disk "$notes/work,format=raw")

value() { # WORD TEXT
	sed -n "s/.*$1=\([0-9][0-9]*\).*/\1/p" <<<"$2"
}

worked() { # VM
	guest "$1" 'diskwork say /tmp/work'
}

has_gone_on() { # VM ROUNDS
	local rounds

	rounds=$(value rounds "$(worked "$1")")
	[ -n "$rounds" ] && [ "$rounds" -ge "$2" ]
}

# Each block was looked at since, and none was of another moment.
check_disk() { # WHAT VM
	local rounds

	rounds=$(value rounds "$(worked "$2")")
	check "$1: it goes on with its disk" retry_until 60 has_gone_on "$2" \
		$((${rounds:-0} + 2))
	check "$1: disk and memory are of one moment" same broken=0 \
		"$(worked "$2" | grep -o 'broken=.*')"
}

check_branch() { # MODE VM SNAPSHOT [FORKS]
	local said i

	said=$(vmfork snapshot "$2" "$3" --mode "$1" --json)
	check "$1 of $2: it has the disks" holds "$said" \
		'.status == "ready" and [.disks[].format] == ["raw", "raw"]'
	check "$1 of $2: forks" holds "$(vmfork fork "$3" -n "${4:-1}" \
		--name "of-$3" --json)" ".acked == ${4:-1} and .failed == 0"
	for ((i = 1; i <= ${4:-1}; i++)); do
		check_disk "$1 of $2, fork $i" "of-$3-$i"
	done
}

keeps() { # VM TEXT: on its file system, through its page cache
	guest "$1" "echo $2 >/mnt/who && sync && echo 3 >/proc/sys/vm/drop_caches"
}

has_kept() { # VM TEXT
	same "$2" "$(guest "$1" 'cat /mnt/who')"
}

boot_id() { # VM
	guest "$1" 'cat /proc/sys/kernel/random/boot_id' 5
}

booted_again() { # VM BOOT_ID
	local now

	now=$(boot_id "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}

mounts() { # VM
	guest "$1" 'modprobe virtio_blk && mkdir -p /mnt && mount /dev/vda /mnt'
}

images() {
	sha256sum "$notes/fs" "$notes/work"
}

refused() { # WHAT PATTERN DISK
	check "refused: $1" says 1 "$2" "$VMFORK" run bad --disk "$3"
	check "refused: $1: nothing is left" left_nothing
}

layers() { # VM: of its first disk, as files
	find "$STATE/vms/$1" -name 'disk0.*' | wc -l
}

# --- images and a guest ------------------------------------------------------

truncate -s 32M "$notes/fs"
truncate -s 4M "$notes/work"
mkfs.ext4 -q -F "$notes/fs" || bail "no images"
export VMFORK_INITRD=$notes/guest.cpio.gz
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$VMFORK_INITRD" \
	--add "/bin/diskwork=$BUILD/tests/vm/guest/diskwork" ||
	bail "no initramfs"
before=$(images)
boot src --memory 128M --timeout 120 "${DISKS[@]}" || bail "no source"
mounts src || bail "no disk"
guest src "diskwork run /dev/vdb /tmp/work $BLOCKS </dev/null >/dev/null 2>&1 &"
check "the program works" retry_until 30 has_gone_on src 1
check "a file is kept" keeps src source

# --- of one moment, and each its own -----------------------------------------

check_branch full src full
vmfork stop of-full-1 >/dev/null
check_branch diff src diff
vmfork stop of-diff-1 >/dev/null
check_branch live src live 2
for i in 1 2; do
	check "fork $i has what its source wrote" has_kept "of-live-$i" source
	check "fork $i writes" keeps "of-live-$i" "fork $i"
done
for i in 1 2; do
	check "fork $i has what itself wrote" has_kept "of-live-$i" "fork $i"
done
check "and so has the source" has_kept src source
vmfork stop of-live-1 >/dev/null
check_branch auto of-live-2 second
check "a fork of a fork has what that wrote" has_kept of-second-1 'fork 2'
was=$(boot_id of-second-1)
guest of-second-1 '(sleep 1; reboot -f) >/dev/null 2>&1 &'
check "it reboots" retry_until 120 booted_again of-second-1 "$was"
check "it finds its disk" mounts of-second-1
check "with what was on it" has_kept of-second-1 'fork 2'
vmfork stop of-second-1 >/dev/null

vmfork snapshot src quiet --quiesce >/dev/null
check "a quiet one is quiet" holds "$(vmfork inspect quiet)" '.quiesced and
	(.disks | length) == 2'
check "no snapshot's disk needs another snapshot" vmfork rmi full diff
check "a fork of one that is left" holds "$(vmfork fork quiet --json)" \
	'.acked == 1'
check_disk "quiet" quiet-1
check_disk "the source" src
vmfork stop of-live-2 quiet-1 >/dev/null
vmfork rmi second quiet live >/dev/null

# --- what fails --------------------------------------------------------------

# 70 ms is what a quick machine takes for all of it
signalled KILL 0.04 snapshot src never --mode full
check "a killed command leaves nothing" vmfork gc
vmfork rmi never 2>/dev/null
check_disk "the source of a killed one" src
mount -o remount,size=$(($(du -sk "$STATE" | cut -f 1) + 8192))k "$STATE"
for mode in full diff live; do
	check "no room: $mode" says 1 'No space left|disk|migration' "$VMFORK" \
		snapshot src never --mode "$mode"
done
mount -o remount,size=50% "$STATE"
check "no snapshot is left" same '[]' "$(vmfork snapshots --json | jq -c .)"
check_disk "the source without room" src
held=$(layers src)
after=$(vmfork snapshot src after --mode diff --json)
check "no layer was there but those that it used" holds "$after" \
	"[.disks[].layers] == [$held, $held]"
check "its chain is whole" holds "$(vmfork fork after --json)" '.acked == 1'
check_disk "and its fork's" after-1
vmfork stop --all >/dev/null
vmfork rmi after >/dev/null
check "the images are as they were" same "$before" "$(images)"

note_state
echo "no disk" >"$notes/text"
truncate -s 4M "$notes/used"
mkfifo "$notes/fifo"
printf 'QFI\373\0\0\0\3\0\0\0\0\0\0\2\0\0\0\0\13' |
	dd of="$notes/work" conv=notrunc status=none
refused "one that is missing" 'disk .*missing: No such file' "$notes/missing"
refused "one that is no image" 'disk .*text: no disk has' "$notes/text"
refused "a FIFO" 'disk .*fifo: neither' "$notes/fifo"
refused "a guest's own header" 'disk .*work: names another' "$notes/work"
refused "no qcow2" 'disk .*fs: is no qcow2' "$notes/fs,format=qcow2"
check "refused: a format" says 2 "format is neither" "$VMFORK" run bad \
	--disk "$notes/fs,format=vmdk"
check "refused: five" says 2 "more than 4" "$VMFORK" run bad --disk a \
	--disk b --disk c --disk d --disk e
qemu-system-x86_64 -M q35 -accel tcg -S -nodefaults -display none -daemonize \
	-pidfile "$notes/pid" -drive "file=$notes/used,format=raw,if=virtio" &&
	check "refused: one that is written" says 1 'disk .*used: is in use' \
		"$VMFORK" run bad --disk "$notes/used"
kill "$(cat "$notes/pid")"
check "refused: one that is written: nothing is left" left_nothing
mount -o remount,size=$(($(du -sk "$STATE" | cut -f 1) + 8192))k "$STATE"
check "no room for a VM" says 1 'No space left' "$VMFORK" run bad "${DISKS[@]}"
mount -o remount,size=50% "$STATE"
check "nothing is left of it" left_nothing
done_testing
