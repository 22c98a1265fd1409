#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
#
# Which page is the mailbox: pages that look like one, an agent that hangs, one
# that died, one that came back, no agent at all. Finding it is the host's part: one kernel will do.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

agent_pid() { # VM
	guest "$1" 'pidof vmfork-agent'
}

signal_agent() { # VM SIGNAL
	guest "$1" "kill -$2 \$(pidof vmfork-agent)" >/dev/null
}

start_agent() { # VM: one that nobody will start again
	guest "$1" '(vmfork-agent run </dev/null >/tmp/log 2>&1) &' >/dev/null
	check "an agent starts" retry_until 20 agent_says "$1" .running
}

agent_is_gone() { # VM
	guest "$1" '! pidof vmfork-agent'
}

# A snapshot and a fork of it, whose agent must be the one that took the mail.
check_fork() { # WHAT VM SNAPSHOT
	check "$1: a snapshot" vmfork snapshot "$2" "$3"
	check "$1: a fork" holds "$(vmfork fork "$3" --name "of-$3" --json)" \
		'.acked == 1 and .forks[0].verified'
	check "$1: the fork has its own network" has_own_network "of-$3-1"
	vmfork stop "of-$3-1" >/dev/null
}

plant() { # VM KIND: prints the address that the decoy claims
	guest "$1" "decoy $2 </dev/null >/tmp/decoy.$2 &" >/dev/null
	retry_until 10 guest "$1" "grep 0x /tmp/decoy.$2" | tail -n 1
}

restarted() { # VM OLD_PID
	local pid

	pid=$(agent_pid "$1") && [ -n "$pid" ] && [ "$pid" != "$2" ] &&
		agent_says "$1" .running
}

check_restart() { # SIGNAL
	local pid

	pid=$(agent_pid src)
	signal_agent src "$1"
	check "SIG$1: init starts it again" retry_until 20 restarted src "$pid"
	check "SIG$1: the network is as it was" same "$before" \
		"$(guest_network src)"
	check_fork "SIG$1" src "after-$(tr '[:upper:]' '[:lower:]' <<<"$1")"
}

# One line, with two pages in it that are among these.
names_two_of() { # GPA...
	local said

	said=$(vmfork snapshot bare none 2>&1)
	[ "$(wc -l <<<"$said")" = 1 ] &&
		[ "$(grep -oE '0x[0-9a-f]+' <<<"$said" | sort -u |
			grep -cxF "$(printf '%s\n' "$@")")" = 2 ]
}

snapshots() {
	ls -A "$STATE/snapshots"
}

needs tests/vm/guest/decoy
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$STATE/guest.cpio.gz" \
	--add "/bin/decoy=$BUILD/tests/vm/guest/decoy" || bail "no initramfs"
export VMFORK_INITRD=$STATE/guest.cpio.gz

boot src || bail "no source"
before=$(guest_network src)
told=$(field "$(vmfork inspect src --json)" .record.mailbox_gpa)
signal_agent src STOP
check_fails "an agent that hangs: its page does not answer" 1 \
	"^vmfork: .*mailbox: .*$told.* not answer" vmfork snapshot src hung
check "and nothing is left of that" [ ! -e "$STATE/snapshots/hung" ]
signal_agent src CONT
wrong=$(plant src wrong)
right=$(plant src right)
echo "the mailbox is at $told, decoys claim $wrong and $right"
check "decoys are planted" grep -Eqx '0x[0-9a-f]+ 0x[0-9a-f]+' <<<"$wrong $right"
check_fork "decoys beside a page that was told" src decoys
check "the page that was told was taken" holds \
	"$(vmfork inspect decoys --json)" ".manifest.mailbox_gpa == $((told))"
check_restart TERM
check_restart KILL
vmfork stop src >/dev/null

# Nobody tells the host of this one's page.
boot bare --no-wait --append 'console=ttyS0 quiet vmfork.agent=none' ||
	bail "no VM without agent"
had=$(snapshots)
check_fails "no agent: no mailbox" 1 'mailbox: none in the guest' \
	vmfork snapshot bare bare
check "and nothing is left of that" same "$had" "$(snapshots)"
check "the VM without agent goes on" guest bare true
start_agent bare
signal_agent bare KILL
check "an agent is killed" retry_until 10 agent_is_gone bare
check_fails "its page is none, or does not answer" 1 \
	'^vmfork: .*mailbox: (none in|the page at 0x[0-9a-f]+ does not answer)' \
	vmfork snapshot bare bare
check "and nothing is left of that" same "$had" "$(snapshots)"
start_agent bare
right=$(plant bare right)
check_fork "not told: the page that answers is found" bare found
check "and it is not the decoy's" holds "$(vmfork inspect found --json)" \
	".manifest.mailbox_gpa != $((right))"
liar=$(plant bare answer)
had=$(snapshots)
check_fails "a decoy that answers: ambiguous" 1 \
	'^vmfork: .*mailbox: ambiguous: pages at 0x[0-9a-f]+ and 0x[0-9a-f]+' \
	vmfork snapshot bare none
living=$(printf '0x%x' "$(agent_status bare .gpa)")
check "it names two of the three" names_two_of "$living" "$right" "$liar"
check "and nothing is left of that" same "$had" "$(snapshots)"
done_testing
