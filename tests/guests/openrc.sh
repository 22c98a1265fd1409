#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
#
# A small guest as Alpine Linux is one: busybox is init and runs OpenRC, from a disk
# into which the agent was baked. Of musl there is the agent alone; busybox and
# OpenRC are Debian's.
# shellcheck source=/dev/null # it ends with exit: all would be unreachable
. "$(dirname "$0")/../vm/lib.sh"
# shellcheck source=tests/guests/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"

FORKS=2
WAIT_S=120 # for what a guest does by itself, on an emulator
made=$BUILD/guests/openrc
initrd=$STATE/initrd

# --- the image ---------------------------------------------------------------

make_image() {
	make_root "$STATE/root" && tar -C "$STATE/root" -xf "$made/root.tar" &&
		make_disk "$STATE/root" 32M && make_initrd
}

# The test guest's, with another first process.
make_initrd() {
	cp "$ROOT/tests/guests/initrd" "$STATE/init" || return
	{
		cat "$VMFORK_INITRD"
		echo init | (cd "$STATE" && cpio -o -H newc --quiet -R 0:0) | gzip
	} >"$initrd"
}

boots() { # VM
	vmfork run "$1" --initrd "$initrd" --disk "$disk" --timeout $WAIT_S \
		--append 'console=ttyS0 quiet loglevel=1' && answers "$1" $WAIT_S
}

# --- what has to hold --------------------------------------------------------

# Each service that OpenRC started, in its order; the log begins with boot.
started() { # VM
	guest "$1" 'cat /var/log/rc.log' | sed -n 's/^ \* \([A-Z].*\) \.\.\. .*/\1/p' |
		tr -d '\r'
}

BOOT='Setting the host name
Mounting local file systems
Loading modules
Starting vmfork-agent
Starting web'

# Those who configure networks too, which count as started.
is_content() { # VM
	guest "$1" '! rc-status --crashed | grep .' &&
		guest "$1" 'rc-service networking status && rc-service manager status' &&
		guest "$1" 'rc-service vmfork-agent status' | grep 'status: started'
}

# OpenRC's supervisor has it run again, and it arms: the status is a new one.
comes_back() { # VM
	# shellcheck disable=SC2016 # the guest's shell expands
	guest "$1" 'kill -9 $(pidof vmfork-agent); rm /run/vmfork/status.json' &&
		retry_until $WAIT_S agent_says "$1" '.running and .over'
}

is_sound() {
	e2fsck -fn "$disk"
}

goes() {
	holds "$(vmfork bake "$disk" --remove --json)" '.state == "removed"' &&
		holds "$(vmfork bake "$disk" --check --json)" '.state == "none"'
}

[ -e "$made/root.tar" ] || skip_all "there is no $made: make check-guests"
check "a disk" make_image || bail "no disk"
check "OpenRC is found" holds \
	"$(vmfork bake "$disk" --modules "$KERNEL" --json)" \
	'.state == "baked" and .init == "openrc"'
check "its file system is sound" is_sound
check "it boots" boots src || bail "no source"
check "armed, before anybody could log in" armed_before_login src
check "in its place among the services" same "$BOOT" "$(started src)"
check "the module is there" guest src '[ -c /dev/vmfork ]'
check_served src
check "OpenRC is content" is_content src
check_acked src $FORKS
for ((i = 1; i <= FORKS; i++)); do
	check_served "src-$i"
	check "src-$i: OpenRC is content" is_content "src-$i"
done
check "killed, the agent comes back" comes_back src-1
check "and has its own network" has_own_network src-1
vmfork stop --all
check "the agent is taken out" goes
check "and the file system is sound" is_sound
done_testing
