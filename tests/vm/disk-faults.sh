#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 400
#
# Branches of a VM with a disk that are cut short around the pivot: the command
# or QEMU is killed as it is told of a new layer, or to write to it, or just has
# been. No half of one is ready, the source goes on at once, no layer is lost or
# left over, and each is a whole image. LONG=1 cuts them at the new layer, too.
# shellcheck source=tests/vm/lib-faults.sh
. "$(dirname "$0")/lib-faults.sh"

MOMENTS="${LONG:+blockdev-add }transaction" # the layer, the pivot
VICTIMS=${LONG:+4}
VICTIMS=${VICTIMS:-2} # before it and after
BLOCKS=256
# The source's disk grows by a layer with each pivot.
# shellcheck disable=SC2034 # for lib.sh
may_grow='state/vms/src/disk0\.[0-9]+$'

struck() { # WORD before|after PID ARGUMENT...: PID may be empty
	local rc

	timeout 60 env LD_PRELOAD="$BUILD/tests/vm/strike.so" \
		STRIKE_WORD="$1" STRIKE_AT="$2" ${3:+STRIKE_PID="$3"} \
		"$VMFORK" "${@:4}" >/dev/null 2>"$notes/said"
	rc=$?
	echo "$2 $1: $rc $(cat "$notes/said")"
	return "$rc"
}

# The top one of a VM's is written, the others do not change any more.
layers_are_whole() { # DIRECTORY [TOP]
	local layer top=

	[ -z "${2:-}" ] || top=$(find "$1" -name 'disk0.*' | sort -V | tail -n 1)
	find "$1" -name 'disk0.*' | while read -r layer; do
		[ "$layer" != "$top" ] || continue
		qemu-img check -U -f qcow2 "$layer" >"$notes/checked" 2>&1 || {
			echo "$layer:"
			cat "$notes/checked"
			return 1
		}
	done
}

# It was not promised to anybody: ready only if the command came to its end.
is_whole_or_none() { # STATUS_OF_COMMAND
	is_settled cut || return
	echo "cut: $status"
	[ "$status" != ready ] || layers_are_whole "$STATE/snapshots/cut" || return
	all_or_nothing "$1"
}

kill_commands() { # MODE
	local word at

	for word in $MOMENTS; do
		for at in before after; do
			struck "$word" "$at" '' snapshot src cut --mode "$1"
			set -- "$1" $?
			[ "$2" != 0 ] || return # it did not come by there
			goes_on && is_whole_or_none "$2" || return
		done
	done
	vmfork gc
	left_nothing && layers_are_whole "$STATE/vms/src" top
}

# Who takes it is a process of its own, and has promised nothing yet.
kill_promisers() { # MODE
	local word

	for word in $MOMENTS; do
		struck "$word" after '' snapshot src cut --mode "$1" --no-wait
		[ $? = 1 ] && grep -q 'process was killed$' "$notes/said" &&
			goes_on && is_whole_or_none 1 || return
	done
	vmfork gc
	left_nothing && layers_are_whole "$STATE/vms/src" top
}

kill_engines() { # MODE
	local word at i=0 rc

	vmfork fork base -n "$VICTIMS" --name victim >/dev/null || return
	for word in $MOMENTS; do
		for at in before after; do
			i=$((i + 1))
			struck "$word" "$at" "$(vm_field "victim-$i" .pid)" \
				snapshot "victim-$i" cut --mode "$1"
			rc=$?
			[ "$rc" = 1 ] && is_of_one_line "$(cat "$notes/said")" &&
				is_whole_or_none 1 && goes_on || return
		done
	done
	vmfork gc
	left_nothing
}

worked() { # VM
	guest "$1" 'diskwork say /tmp/work'
}

has_gone_on() { # VM ROUNDS
	[ "$(worked "$1" | sed -n 's/.*rounds=\([0-9]*\).*/\1/p')" -ge "$2" ]
}

check_disk() { # VM
	local rounds

	rounds=$(worked "$1" | sed -n 's/.*rounds=\([0-9]*\).*/\1/p')
	check "$1: it goes on with its disk" retry_until 60 has_gone_on "$1" \
		$((${rounds:-0} + 2))
	check "$1: disk and memory are of one moment" same broken=0 \
		"$(worked "$1" | grep -o 'broken=.*')"
}

needs tests/vm/strike.so
command -v qemu-img >/dev/null || skip_all "there is no qemu-img"
truncate -s 4M "$notes/work"
export VMFORK_INITRD=$notes/guest.cpio.gz
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$VMFORK_INITRD" \
	--add "/bin/diskwork=$BUILD/tests/vm/guest/diskwork" ||
	bail "no initramfs"
boot src --memory 128M --disk "$notes/work,format=raw" || bail "no source"
source_ip=$(vm_field src .ipv4)
source_ip=${source_ip%/*}
guest src "modprobe virtio_blk
diskwork run /dev/vda /tmp/work $BLOCKS </dev/null >/dev/null 2>&1 &"
check "the program works" retry_until 60 has_gone_on src 1
check "a base" vmfork snapshot src base --mode full
note_state
for mode in $MODES; do
	forked=
	check "$mode: the command is killed" kill_commands "$mode"
	check "$mode: who takes it with --no-wait is killed" kill_promisers "$mode"
	check "$mode: QEMU is killed" kill_engines "$mode"
done
check "gc finds nothing more" gc_restores
held=$(find "$STATE/vms/src" -name 'disk0.*' | wc -l)
check "a branch afterwards has the layers that were there" holds \
	"$(vmfork snapshot src after --json)" ".status == \"ready\" and
	[.disks[].layers] == [$held]"
check "they are whole" layers_are_whole "$STATE/snapshots/after"
check "a fork of it" holds "$(vmfork fork after --json)" '.acked == 1'
check_disk after-1
check_disk src
echo "the source went on within $worst_ms ms"
done_testing
