#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.1 6.12 7.2
# time: 900
#
# What /dev/vmfork promises, with the kernel's own checks on. Here 100 cycles of
# loading and 500 rounds in each process; LONG=1 (make check-long) makes them
# 1,000 and 10,000.
# shellcheck source=tests/vm/lib-kmod.sh
. "$(dirname "$0")/lib-kmod.sh"

cycles=100 rounds=500
[ -z "${LONG:-}" ] || cycles=1000 rounds=10000

boot_bare src "$STRICT vmfork.load=vmfork_mailbox" || bail "no source"
check "its kernel has nothing to say" log_is_clean src
check "who may map what" guest src 'kmod maps'
check "read and poll" guest src 'kmod reads'
check "it is not unloaded while it is open" guest src \
	'! (exec 3</dev/vmfork; rmmod vmfork_mailbox) 2>/tmp/busy &&
[ -c /dev/vmfork ]'
check "because it is busy" guest src 'grep -qi "temporarily unavail\|busy" /tmp/busy'
check "8 processes, $rounds times each" guest src "kmod many $rounds" 400
check "and nothing is left: it unloads" guest src 'rmmod vmfork_mailbox'
check "its device is gone" guest src '[ ! -e /dev/vmfork ]'
check "loaded and unloaded $cycles times" guest src \
	"kmod cycle /lib/modules/vmfork_mailbox.ko $cycles" 300
if ! has_own_vmclock; then
	check "so is the other module" guest src \
		"kmod cycle /lib/modules/vmfork_vmclock.ko $cycles" 300
fi
check "its kernel still has nothing to say" log_is_clean src

guest src 'insmod /lib/modules/vmfork_mailbox.ko'
agent_start src mailbox || bail "no agent"
guest src '(kmod wait >/tmp/waited 2>&1; echo "exit $?" >>/tmp/waited) &' \
	>/dev/null
check "a reader waits" retry_until 20 guest src 'grep -q waiting /tmp/waited'
vmfork snapshot src ready || bail "no snapshot"
check "a fork" holds "$(vmfork fork ready --name web --json)" '.acked == 1'
check "its reader is woken as promised" retry_until 20 guest web-1 \
	'grep -q "exit 0" /tmp/waited || ! cat /tmp/waited'
check "the source's is not" guest src '! grep -q waited /tmp/waited'
check "the fork's kernel has nothing to say" log_is_clean web-1
done_testing
