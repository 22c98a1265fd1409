#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.1 6.12 7.2
# time: 480
#
# The modules in a guest, its kernel's own checks on: what each signal does on
# each kernel, and what the agent says of one that is not there.
# shellcheck source=tests/vm/lib-kmod.sh
. "$(dirname "$0")/lib-kmod.sh"

# Which signals there are. With "auto" the first one wins, by microseconds: the
# kernel's log line comes just before the modules are called. Where the kernel
# knows no VMGenID there is but the module.
case $KERNEL in
6.1)
	signals='mailbox vmclock vmclock-spin auto' absent='vmgenid'
	auto='mailbox'
	;;
*)
	signals='mailbox vmclock vmclock-spin vmgenid auto' absent=''
	auto='mailbox|vmgenid|vmclock'
	;;
esac

fork_by() { # SIGNAL
	local said want=$1

	[ "$want" != auto ] || want=$auto
	if ! agent_start src "$1"; then
		not_ok "$1: no agent"
		guest src "cat /tmp/agent.$1"
		return
	fi
	said=$(fork_woken src "by-$1" "by-$1")
	check "$1: forked" holds "$said" '.acked == 1 and .forks[0].verified'
	check "$1: it was $want" holds "$said" \
		".forks[0].signal | test(\"^($want)\$\")"
	check "$1: the guest says so too" agent_says "by-$1-1" \
		"(.signal | test(\"^($want)\$\")) and .generation == 1"
	check "$1: its random numbers are its own" agent_says "by-$1-1" \
		'.reseed == "done" or .reseed == "alone"'
	check "$1: the fork has its own network" has_own_network "by-$1-1"
	check "$1: its kernel has nothing to say" log_is_clean "by-$1-1"
	vmfork stop "by-$1-1" >/dev/null
	vmfork rmi "by-$1" >/dev/null
	agent_stop src || bail "the agent does not end"
}

boot_bare src "$STRICT vmfork.load=vmfork_mailbox,vmfork_vmclock" ||
	bail "no source"
check "the mailbox module is loaded" guest src '[ -c /dev/vmfork ]'
check "only root has its device" guest src \
	'stat -c %a-%u-%g /dev/vmfork | grep -qx 600-0-0'
if has_own_vmclock; then
	check "the other one stays away, and says why" guest src \
		'! grep -q vmfork_vmclock /proc/modules &&
dmesg | grep -q "vmfork_vmclock: this kernel has a VMClock driver of its own"'
else
	check "so is the other one" guest src \
		'grep -q vmfork_vmclock /proc/modules && [ -c /dev/vmclock0 ]'
fi
for signal in $signals; do
	fork_by "$signal"
done
for signal in $absent; do
	check "$signal: refused in one line" agent_refuses src "$signal" \
		'no VMGenID device, or no driver for it'
done
check "the source's kernel has nothing to say" log_is_clean src
done_testing
