#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2 (6.1)
# time: 400
#
# Where the module's page is: told, not searched for, in a guest of 2 GiB; and it
# stays there whatever the kernel does to make room.
# shellcheck source=tests/vm/lib-kmod.sh
. "$(dirname "$0")/lib-kmod.sh"

LOCATE_US=20000 # from a loaded state to its mail: a search takes far longer

page_of() { # VM: what the host was told
	echo $(($(vmfork inspect "$1" --json | jq -r .record.mailbox_gpa)))
}

# Compaction, with memory first used up and then torn into holes.
squeeze() { # VM
	# shellcheck disable=SC2016 # the guest's shell expands
	guest "$1" 'mkdir -p /tmp/fill && mount -t tmpfs -o size=95% t /tmp/fill
n=0
while [ $(awk "/MemAvailable/ { print \$2 }" /proc/meminfo) -gt 40000 ]; do
n=$((n + 1)); dd if=/dev/urandom of=/tmp/fill/$n bs=1M count=8 2>/dev/null ||
break; done
echo 1 >/proc/sys/vm/compact_memory
rm -f /tmp/fill/*[13579]
echo 1 >/proc/sys/vm/compact_memory
echo 3 >/proc/sys/vm/drop_caches
rm -f /tmp/fill/*
echo 1 >/proc/sys/vm/compact_memory
umount /tmp/fill
awk "/^compact_success|^compact_stall|^compact_migrate_scanned/" /proc/vmstat' \
		200
}

migrated() { # VM
	guest "$1" "awk '/^pgmigrate_success/ { print \$2 }' /proc/vmstat"
}

succeeded() { # VM OLD-PID
	local pid

	pid=$(guest "$1" 'pidof vmfork-agent') && [ -n "$pid" ] &&
		[ "$pid" != "$2" ] && agent_says "$1" .running
}

words='console=ttyS0 quiet panic_on_warn=1 vmfork.load=vmfork_mailbox'
boot vast --memory 2G --append "$words" || bail "no source of 2 GiB"
gpa=$(page_of vast)
check "the guest said where its page is" test "$gpa" -gt 0
check "which is what the agent says" agent_says vast ".gpa == $gpa"
vmfork snapshot vast big || bail "no snapshot"
check "the snapshot has that page" holds "$(vmfork inspect big --json)" \
	".manifest.mailbox_gpa == $gpa"
said=$(vmfork fork big --name web --json)
echo "$said" | jq -c '.forks[0].timeline_us'
check "a fork finds it without a search" holds "$said" ".acked == 1 and
	(.forks[0].timeline_us | .patched - .loaded) < $LOCATE_US"
vmfork stop --all >/dev/null

boot src --memory 192M --append "$words" || bail "no source"
gpa=$(page_of src)
moved=$(migrated src)
squeeze src
moved=$(($(migrated src) - moved))
echo "$moved pages were migrated"
check "the kernel moves pages about" test $moved -gt 0
check "but not this one" agent_says src ".gpa == $gpa"
vmfork snapshot src ready || bail "no snapshot"
check "a snapshot has it where it was" holds "$(vmfork inspect ready --json)" \
	".manifest.mailbox_gpa == $gpa"
check "and a fork gets its mail there" holds \
	"$(vmfork fork ready --name after --json)" \
	'.acked == 1 and .forks[0].verified'
check "its kernel has nothing to say" log_is_clean after-1
vmfork stop after-1 >/dev/null

old=$(guest src 'pidof vmfork-agent')
guest src "kill -9 $old" >/dev/null
check "a killed agent has a successor" retry_until 30 succeeded src "$old"
check "with the same page" agent_says src ".gpa == $gpa"
check "which is the one that a snapshot has" vmfork snapshot src next
check "and a fork gets its mail there, too" holds \
	"$(vmfork fork next --name heir --json)" \
	'.acked == 1 and .forks[0].verified'
done_testing
