#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 (7.2)
# time: 360
#
# What a workload sees of its snapshot and of being forked: hooks, a command
# that begins once the fork is settled, a signal, and random numbers of its own
# from its first act on, since it stood still until they were.
#
#	src: a program that draws numbers all the time, in a cgroup that the
#	agent freezes; web-1 ... web-4: its forks; mute-1: one without mail
# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

HOOKS=/etc/vmfork/post-restore.d

# The first number that was drawn after the snapshot's pause began.
first_drawn() { # VM
	guest "$1" "awk '\$1 > $paused_ns { print \$2; exit }' /tmp/drawn"
}

goes_on() { # VM
	guest "$1" 'n=$(wc -l </tmp/drawn); sleep 1; [ $(wc -l </tmp/drawn) -gt $n ]'
}

# What a hook wrote down: its argument, its facts, its standard input.
hook='#!/bin/sh
{ echo "$0 $*"; env | grep ^VMFORK_ | sort; cat; } >>/tmp/hooks'

put_hook() { # VM NAME
	guest "$1" "mkdir -p $HOOKS; cat >$HOOKS/$2 <<'X'
$hook
X
chmod 755 $HOOKS/$2"
}

ran_hooks() { # VM
	same "$HOOKS/10-first $HOOKS/20-second" \
		"$(guest "$1" 'grep ^/ /tmp/hooks' | tr -s ' \n' ' ' | sed 's/ $//')"
}

# All that they were told but the skew, which is another one each time.
hooks_know() { # VM FACT=VALUE...
	local vm=$1

	shift
	same "$(printf 'VMFORK_%s\n' "$@")" \
		"$(guest "$vm" "grep ^VMFORK_ /tmp/hooks | sort -u |
			grep -v '^VMFORK_SKEW_US=[-0-9]*$'")"
}

has_signal() { # VM
	retry_until 10 guest "$1" '[ -e /tmp/signalled ]'
}

check_fork() { # JSON
	local name id mac ip4 ip6

	read -r name id mac ip4 ip6 < <(jq -r \
		'"\(.name) \(.restore_id) \(.mac) \(.ipv4) \(.ipv6)"' <<<"$1")
	check "$name: it goes on" goes_on "$name"
	check "$name: hooks ran in order, and no other file" ran_hooks "$name"
	check "$name: hooks are told who it is" hooks_know "$name" \
		EVENT=post-restore GENERATION=1 "HOSTNAME=$name" "IPV4=$ip4" \
		"IPV6=$ip6" "MAC=$mac" "NAME=$name" PARENT=warm "RESTORE_ID=$id"
	check "$name: hooks have the status on standard input" holds \
		"$(guest "$name" 'grep -m 1 ^{ /tmp/hooks')" \
		".generation == 1 and .restore_id == \"$id\""
	check "$name: wait --exec became its command" same "$name settled" \
		"$(guest "$name" 'cat /tmp/became')"
	check "$name: the process that asked got its signal" has_signal "$name"
	check "$name: who is gone is asked for no more" guest "$name" \
		'[ ! -e /run/vmfork/notify.d/gone ]'
	check "$name: the tasks are done" agent_says "$name" '.settled
		and ([.tasks | .thaw, .hooks, .notify] | all(. == "done"))'
	check "$name: its SSH host keys are gone, and nothing else" same \
		'ssh_known_hosts sshd_config' "$(ssh_files "$name")"
	check "$name: its SSH server was told" reloaded "$name"
}

# --- without mail ------------------------------------------------------------

mute_tasks_done() {
	agent_says mute-1 '.generation == 1 and .step == "mail"
		and .reseed == "alone" and .settled == false
		and ([.tasks | .thaw, .hooks, .notify] | all(. == "done"))'
}

check_mute() {
	check "a fork without mail" vmfork fork warm --no-mail --name mute
	check "mute-1: what is done without mail" retry_until 20 mute_tasks_done
	check "mute-1: it goes on" goes_on mute-1
	check "mute-1: hooks ran in order" ran_hooks mute-1
	check "mute-1: hooks are told no more than is known" hooks_know mute-1 \
		EVENT=post-restore GENERATION=1 HOSTNAME=vmfork \
		RESTORE_ID=00000000000000000000000000000000
	check "mute-1: the process that asked got its signal" has_signal mute-1
	check "mute-1: its SSH host keys are gone too" same \
		'ssh_known_hosts sshd_config' "$(ssh_files mute-1)"
	check "mute-1: it is not settled" guest mute-1 '[ ! -e /tmp/became ]'
}

# --- SSH host keys -----------------------------------------------------------

# A server that says when it is told to read its keys anew, and its files.
cat >"$notes/sshd" <<'END'
#!/bin/sh
mkdir -p /etc/ssh
cd /etc/ssh
for kind in rsa ed25519; do
	touch ssh_host_${kind}_key ssh_host_${kind}_key.pub
done
touch ssh_host_rsa_key-cert.pub ssh_known_hosts sshd_config
trap 'echo >/tmp/reloaded' HUP
echo $$ >/run/sshd.pid
while :; do sleep 0.1; done
END

ssh_files() { # VM
	guest "$1" 'cd /etc/ssh && echo *'
}

reloaded() { # VM
	retry_until 10 guest "$1" '[ -e /tmp/reloaded ]'
}

# Where there is what makes keys, it is asked to make all kinds.
makes_keys() { # VM
	guest "$1" "cat >/bin/ssh-keygen <<'X'
#!/bin/sh
[ \"\$*\" = -A ] && echo new >/etc/ssh/ssh_host_ed25519_key
X
chmod 755 /bin/ssh-keygen && echo old >/etc/ssh/ssh_host_rsa_key &&
$HOOKS/50-ssh-host-keys && [ \$(cat /etc/ssh/ssh_host_*_key) = new ]"
}

fails_to_make_keys() { # VM
	guest "$1" "printf '#!/bin/sh\nexit 1\n' >/bin/ssh-keygen
$HOOKS/50-ssh-host-keys; [ \$? = 1 ]"
}

# --- the test ----------------------------------------------------------------

needs tests/vm/guest/draw
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$STATE/initrd" \
	--add "/bin/draw=$BUILD/tests/vm/guest/draw" --add "/bin/sshd=$notes/sshd" \
	--add "$HOOKS/50-ssh-host-keys=$ROOT/guest-agent/hooks/50-ssh-host-keys" ||
	bail "no initramfs"
boot src --initrd "$STATE/initrd" \
	--append 'console=ttyS0 quiet vmfork.agent=--freeze,load' ||
	bail "no source"
put_hook src 20-second
put_hook src 10-first
guest src "cp $HOOKS/10-first $HOOKS/30-writable; chmod 777 $HOOKS/30-writable
cp $HOOKS/10-first $HOOKS/.hidden; cp $HOOKS/10-first '$HOOKS/40 blank'
cp $HOOKS/10-first $HOOKS/60-not-executable; chmod 644 $HOOKS/60-not-executable
mkdir /sys/fs/cgroup/load
(echo 0 >/sys/fs/cgroup/load/cgroup.procs; exec draw /tmp/drawn) &
sshd &
(trap 'echo >/tmp/signalled; exit' USR2
while :; do sleep 0.1; done) &
echo \"\$! USR2\" >/run/vmfork/notify.d/shell
echo 99999 >/run/vmfork/notify.d/gone
vmfork-agent wait --settled --exec sh -c \
	'echo \$(hostname) settled >/tmp/became' </dev/null &
" || bail "no workload"
retry_until 20 guest src '[ -e /run/sshd.pid ]' || bail "no SSH server"
retry_until 20 goes_on src || bail "the workload does not run"

check "a snapshot" vmfork snapshot src warm
paused_ns=$(jq '.clock | .guest_monotonic_ns - .monotonic_error_us * 1000' \
	"$STATE/snapshots/warm/manifest.json")
check "when the guest was paused is known" [ "${paused_ns:-0}" -gt 0 ]
forked=$(vmfork fork warm -n 4 --name web --json)
check "fork: exit status 0" [ $? = 0 ]
check "what stood still goes on in each fork" holds "$forked" \
	'.forks | all(.settle.tasks.thaw == "done")'
for i in 0 3; do
	check_fork "$(jq ".forks[$i]" <<<"$forked")"
done
for i in 2 3; do
	check "web-$i: it goes on" goes_on "web-$i"
done
check_mute
check "new SSH host keys are made" makes_keys web-1
check "or are not, which is said" fails_to_make_keys web-1
check "the source goes on" goes_on src
check "the source ran no hook, got no signal, waits" guest src \
	'[ ! -e /tmp/hooks ] && [ ! -e /tmp/signalled ] && [ ! -e /tmp/became ] &&
[ -e /etc/ssh/ssh_host_rsa_key ] && [ ! -e /tmp/reloaded ]'
for name in src web-1 web-2 web-3 web-4; do
	first_drawn "$name"
done >"$notes/drawn"
cat "$notes/drawn"
check "the first number that each drew is its own" \
	[ "$(sort -u "$notes/drawn" | grep -cE '^[0-9a-f]{32}$')" = 5 ]

guest src 'for pid in $(pidof vmfork-agent); do
	grep -q run /proc/$pid/cmdline && echo $pid >/sys/fs/cgroup/load/cgroup.procs
done'
check_fails "an agent does not freeze itself: no snapshot" 1 \
	'Resource deadlock' vmfork snapshot src never
check "nor has it frozen anything" goes_on src
check "a path that is no cgroup's is refused" guest src \
	'vmfork-agent run --freeze /sys/fs/cgroup; [ $? = 2 ]'
done_testing
