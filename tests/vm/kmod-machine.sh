#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2 (6.1)
# time: 300
#
# The mailbox module on machines that lack something: one without VMGenID, where
# it must not load; one whose CPU gives no random numbers, where the kernel's log
# says nothing of a fork, and it wakes all the same.
# shellcheck source=tests/vm/lib-kmod.sh
. "$(dirname "$0")/lib-kmod.sh"

# Another machine: QEMU behind a script that changes its arguments.
machine() { # BASH-COMMAND that changes the array args
	cat >"$STATE/qemu" <<-SCRIPT
		#!/bin/bash
		args=("\$@")
		$1
		exec qemu-system-x86_64 "\${args[@]}"
	SCRIPT
	chmod +x "$STATE/qemu"
	export VMFORK_QEMU=$STATE/qemu
}

# shellcheck disable=SC2016 # the script's shell expands
machine 'for i in "${!args[@]}"; do
	if [[ ${args[i]} == vmgenid* ]]; then
		unset "args[i]" "args[i - 1]"
	fi
done'
boot_bare none 'vmfork.load=vmfork_mailbox' || bail "no VM without VMGenID"
check "no VMGenID: it is not loaded" guest none \
	'! grep -q vmfork_mailbox /proc/modules && [ ! -e /dev/vmfork ]'
check "it says why, in one line" log_says none vmfork_mailbox 'VMGenID device'
check "and so does insmod" guest none \
	'insmod /lib/modules/vmfork_mailbox.ko 2>&1 | grep -q "No such device"'
check "the agent refuses its signal" agent_refuses none mailbox \
	'there is no /dev/vmfork'
vmfork stop none >/dev/null

# shellcheck disable=SC2016 # the script's shell expands
machine 'for i in "${!args[@]}"; do
	[[ ${args[i - 1]} != -cpu ]] || args[i]=qemu64,-rdrand,-rdseed
done'
boot_bare dull 'vmfork.load=vmfork_mailbox random.trust_cpu=off' ||
	bail "no VM without RDRAND"
agent_start dull auto || bail "no agent"
ready=$(guest dull 'dmesg | grep -c "crng init done"')
echo "random numbers ready: $ready"
said=$(fork_woken dull dull dull-fork)
# once they are, the kernel's log tells of a fork as well, and the first one wins
woken='mailbox'
[ "$ready" = 0 ] || woken='mailbox|vmgenid'
check "no RDRAND: forked, woken by the module" holds "$said" \
	".acked == 1 and (.forks[0].signal | test(\"^($woken)\$\"))"
if [ "$ready" = 0 ]; then
	check "the kernel's log had nothing to tell" guest dull-fork-1 \
		'! dmesg | grep -q "reseeded due to virtual machine fork"'
else
	skip "the kernel's log had nothing to tell" \
		"random numbers were ready before the snapshot"
fi
done_testing
