#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2 (6.1)
# time: 300
#
# One client of VMClock on our driver and on the kernel's own: it is the same to
# it, but where the device cannot notify and the kernel tells of forks, ours can.
# shellcheck source=tests/vm/lib-kmod.sh
. "$(dirname "$0")/lib-kmod.sh"

# Does poll() wake the client, or has it to look at the page?
case $KERNEL in
6.12) how=poll ;;
*) how=page ;;
esac

waits() { # VM
	guest "$1" '(kmod_clock wait >/tmp/waited 2>&1
echo "exit $?" >>/tmp/waited) &' >/dev/null
	retry_until 20 guest "$1" 'grep -q waiting /tmp/waited'
}

waited() { # VM
	guest "$1" 'grep -q "exit 0" /tmp/waited || ! cat /tmp/waited' &&
		guest "$1" "grep -q 'waited by $how' /tmp/waited"
}

boot src --append "console=ttyS0 quiet $STRICT vmfork.load=vmfork_vmclock" ||
	bail "no source"
check "what can be asked while nothing happens" guest src 'kmod_clock rules'
check "a client waits" waits src
vmfork snapshot src ready || bail "no snapshot"
check "two forks" holds "$(vmfork fork ready -n 2 --name web --json)" \
	'.acked == 2'
for vm in web-1 web-2; do
	check "$vm: its client saw the restore, by $how" retry_until 20 \
		waited $vm
	check "$vm: its kernel has nothing to say" log_is_clean $vm
done
check "the source's saw nothing" guest src '! grep -q waited /tmp/waited'
check "a client in a fork waits" waits web-1
vmfork snapshot web-1 again || bail "no snapshot of the fork"
check "a fork of the fork" holds "$(vmfork fork again --name deep --json)" \
	'.acked == 1'
check "its client saw that restore" retry_until 20 waited deep-1
vmfork stop --all >/dev/null
boot none --no-vmclock --append 'console=ttyS0 quiet' || bail "no VM"
if ! has_own_vmclock; then
	check "without the device the module does not load" guest none \
		'! insmod /lib/modules/vmfork_vmclock.ko 2>/dev/null'
	check "and says why, in one line" log_says none vmfork_vmclock \
		'there is no VMClock device'
else
	check "without the device there is none" guest none \
		'[ ! -e /dev/vmclock0 ]'
fi
done_testing
