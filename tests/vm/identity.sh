#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2
# time: 180
#
# Who a fork is beside its network: name, resolver, machine and boot id, wall
# clock, random numbers, payload. Each is set in the source, changed in the fork
# and compared; what belongs to somebody else, or cannot be written, is left.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

BEHIND_S=$((75 * 3600)) # a snapshot of long ago
CLOCK_S=5               # between two readings, over a console, of a busy machine
STEPPED_US=20000        # how near the agent gets there
OLD_ID=0123456789abcdef0123456789abcdef

# --- the guest's files -------------------------------------------------------

# shellcheck disable=SC2016 # the guest's shell expands
SET_UP='hostname old; echo old >/etc/hostname
printf "127.0.0.1\tlocalhost\n127.0.1.1\told\n" >/etc/hosts
printf "# mine\nnameserver 192.0.2.1\noptions rotate\nsearch old\n" >/etc/resolv.conf
mkdir -p /var/lib/dbus
echo '$OLD_ID' >/etc/machine-id; chmod 444 /etc/machine-id
cp /etc/machine-id /var/lib/dbus/machine-id
date -s @$(($(date +%s) - '$BEHIND_S'))'

# shellcheck disable=SC2016
FILES='hostname; cd /etc; for f in hostname hosts resolv.conf machine-id \
/var/lib/dbus/machine-id; do echo "== $f $(stat -c %a $f)"; cat $f; done'

# As they have to be in a fork.
files_of() { # NAME MACHINE_ID
	cat <<-FILES
		$1.test
		== hostname 644
		$1.test
		== hosts 644
		127.0.0.1	localhost
		127.0.1.1	old
		127.0.1.1	$1.test $1	# vmfork
		== resolv.conf 644
		# mine
		options rotate
		nameserver 10.231.0.1
		nameserver fd00::53
		search a.example b.example
		== machine-id 444
		$2
		== /var/lib/dbus/machine-id 444
		$2
	FILES
}

boot_id() { # VM
	guest "$1" 'cat /proc/sys/kernel/random/boot_id'
}

boot_id_mounts() { # VM
	guest "$1" 'grep -c " /proc/sys/kernel/random/boot_id " /proc/mounts'
}

clock_is_right() { # VM
	local apart=$(($(guest "$1" 'date +%s') - $(date +%s)))

	echo "$1: $apart s off"
	[ "${apart#-}" -le "$CLOCK_S" ]
}

# --- forks -------------------------------------------------------------------

fork_told() { # SNAPSHOT NAME [OPTION]...
	local snapshot=$1 name=$2

	shift 2
	vmfork fork "$snapshot" --name "$name" --hostname '{name}.test' \
		--dns 10.231.0.1 --dns fd00::53 --search a.example \
		--search b.example --json "$@"
}

# shellcheck disable=SC2016 # jq's variables
done_right='.tasks as $t | ["hostname", "hosts", "resolv", "machine-id", "payload",
	"clock"] | all($t[.] == "done")'

check_fork() { # NAME RECORD
	local id said name=$1

	id=$(field "$2" .machine_id)
	check "$name: names, resolver, machine id" same \
		"$(files_of "$name" "$id")" "$(guest "$name" "$FILES")"
	check "$name: its payload, for root alone" same "600 for $name" \
		"$(guest "$name" 'stat -c %a /run/vmfork/payload | tr "\n" " "
cat /run/vmfork/payload; echo')"
	check "$name: its clock is right" clock_is_right "$name"
	said=$(guest "$name" 'vmfork-agent status')
	check "$name: the status tells who it is" holds "$said" "
		.name == \"$name\" and .parent == \"ready\" and .settled
		and .hostname == \"$name.test\" and $done_right"
	check "$name: and of the clock" holds "$said" "
		.clock == \"mail\" and (.skew_after_us | fabs) < $STEPPED_US
		and .skew_before_us < -1000000 * ($BEHIND_S - 60)"
	check "$name: random numbers came from the host" holds "$said" '
		.reseed == "done" and .reseed_window_us > 0'
}

boot src || bail "no source"
guest src "$SET_UP" || bail "the source is not set up"
before=$(guest src "$FILES")
boot_before=$(boot_id src)
mkdir "$notes/payloads"
for name in web-1 web-2; do
	printf 'for %s' $name >"$notes/payloads/$name"
done
vmfork snapshot src ready || bail "no snapshot"

forked=$(fork_told ready web -n 2 --payload-dir "$notes/payloads")
check "two forks" [ $? = 0 ]
for i in 0 1; do
	check_fork "web-$((i + 1))" "$(field "$forked" ".forks[$i]")"
done
ids=$(boot_id web-1 && boot_id web-2 && boot_id src)
check "each has a boot id of its own" same 3 "$(sort -u <<<"$ids" | wc -l)"
check "monotonic time goes on from the snapshot's" agent_says web-1 \
	'.timestamps_ns | .signal < .settled and .settled < 600000000000'

# A fork of a fork, which is told little, and some of whose files are mounts.
guest web-1 'cp /etc/machine-id /run/mid; mount -o bind /run/mid /etc/machine-id'
vmfork snapshot web-1 again || bail "no snapshot of a fork"
said=$(vmfork fork again --name bare --no-hostname --no-clock --json)
check "a fork of a fork" [ $? = 0 ]
check "it was told less" holds "$said" '.forks[0].settle.tasks
	| .hostname == "none" and .hosts == "none" and .resolv == "none"
	and .clock == "none" and .payload == "none" and ."machine-id" == "done"'
check "its payload is not its parent's" guest bare-1 '[ ! -e /run/vmfork/payload ]'
check "a file that is a mount has its machine id" same \
	"$(field "$said" '.forks[0].machine_id')" \
	"$(guest bare-1 'umount /etc/machine-id && cat /run/mid')"
check "its boot id is its own" [ "$(boot_id bare-1)" != "$(boot_id web-1)" ]
check "and mounted once" same 1 "$(boot_id_mounts bare-1)"
check "its name is its parent's" same web-1.test "$(guest bare-1 hostname)"

# What cannot be written fails, and nothing else does.
guest web-2 'rm /etc/resolv.conf; ln -s /run/theirs /etc/resolv.conf
echo theirs >/run/theirs; mount -o bind /etc /etc && mount -o remount,bind,ro /etc'
vmfork snapshot web-2 sealed || bail "no snapshot of a sealed guest"
said=$(fork_told sealed sealed --payload "$notes/payloads/web-2")
check "a read-only /etc: partly done" [ $? = 3 ]
check "it says so" holds "$said" '.forks[0] | .reached == "settled"
	and (.error | test("^settled, but .*hostname: Read-only file system"))'
check "exactly those fail" holds "$said" '.forks[0].settle.tasks | . ==
	{thaw, tcp, hooks, notify, clock: "done", payload: "done",
	resolv: "none", hostname: "failed", hosts: "failed",
	"machine-id": "failed"} and all(.thaw, .tcp, .hooks, .notify;
	. != "failed")'
check "the kernel's hostname is set all the same" same sealed-1.test \
	"$(guest sealed-1 hostname)"
check "D-Bus's machine id and the boot id too" guest sealed-1 \
	"! grep -q $OLD_ID /var/lib/dbus/machine-id &&
[ \$(cat /proc/sys/kernel/random/boot_id) != $(boot_id web-2) ]"
check "another's resolv.conf is left alone" same theirs \
	"$(guest sealed-1 'cat /etc/resolv.conf')"

check "the source's files are untouched" same "$before" "$(guest src "$FILES")"
check "the source's boot id too" same "$boot_before" "$(boot_id src)"
check "nor has it a payload" guest src '[ ! -e /run/vmfork/payload ]'
done_testing
