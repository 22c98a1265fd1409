#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 500
#
# A VM with a disk is stopped and started again from what it wrote, as itself:
# forks too, whatever became of their snapshot and siblings, and wherever a
# command was killed.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

mounts() { # VM
	guest "$1" 'mkdir -p /mnt && mount /dev/vda /mnt'
}

# In the page cache of the guest, and perhaps nowhere else.
writes() { # VM TEXT
	guest "$1" "echo $2 >/mnt/who"
}

has_kept() { # VM TEXT
	same "$2" "$(guest "$1" 'cat /mnt/who')"
}

has_after_boot() { # VM TEXT
	answers "$1" && mounts "$1" && has_kept "$1" "$2"
}

is() { # VM STATE
	same "$2" "$(vm_field "$1" .state)"
}

# What it is to itself and to others, but for its boot.
identity() { # VM
	guest "$1" 'cat /etc/machine-id; hostname'
	vm_field "$1" '"\(.mac) \(.ipv4) \(.ipv6)"'
}

is_pooled() {
	answers pooled-1 && same "$pooled" "$(identity pooled-1)"
}

layers_of() { # SNAPSHOT
	sha256sum "$STATE/snapshots/$1"/disk0.*
}

# Does QEMU pass its guest's flushes on to the storage?
is_durable() { # VM
	! tr '\0' '\n' <"/proc/$(vm_field "$1" .pid)/cmdline" |
		grep -q '"no-flush": *true'
}

has_ended() { # VM
	is "$1" stopped
}

# A command that is killed leaves the VM running or stopped, with its data.
survives_kill() { # SECONDS COMMAND...
	signalled KILL "$@"
	vmfork gc
	[ -z "$(vmfork gc)" ] || return 1
	case $(vm_field web-1 .state) in
	running) vmfork stop web-1 --keep || return ;;
	stopped) ;;
	*) return 1 ;;
	esac
	left_nothing && vmfork start web-1 && has_after_boot web-1 "$kept" &&
		has_own_network web-1
}

accel_of() { # VM
	jq -r .hardware.accel "$STATE/vms/$1/vm.json"
}

truncate -s 32M "$notes/fs"
mkfs.ext4 -q -F "$notes/fs" || bail "no image"
# only a guest that has one is told another
tr -d - </proc/sys/kernel/random/uuid >"$notes/machine-id"
export VMFORK_INITRD=$notes/guest.cpio.gz
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$VMFORK_INITRD" \
	--add "/etc/machine-id=$notes/machine-id" || bail "no initramfs"
boot src --memory 128M --timeout 120 --disk "$notes/fs" || bail "no source"
mounts src || bail "no disk"
check "the source writes" writes src source
vmfork snapshot src ready >/dev/null || bail "no snapshot"
check "forks" holds "$(vmfork fork ready -n 2 --name web --json)" '.acked == 2'
for i in 1 2; do
	check "fork $i writes" writes "web-$i" "fork$i"
done

# --- stopped, and as itself again --------------------------------------------

check "what goes with the machine is not synced" eval '! is_durable web-1'
who=$(identity web-1)
check "it is not its source" [ "$(head -n 1 <<<"$who")" != \
	"$(cat "$notes/machine-id")" ]
check "it is stopped" vmfork stop web-1 --keep
check "which is seen" holds "$(vmfork ps --json)" 'map(select(.kept) |
	[.name, .state]) == [["web-1", "stopped"]]'
check "it has kept its address" holds "$(vmfork ps --json)" \
	"any(.[]; .name == \"web-1\" and .ipv4 == \"$(sed -n '$s/.* \(.*\) .*/\1/p' \
		<<<"$who")\" and .pid == null)"
check "and no TAP" same '[null,[null,null]]' \
	"$(vm_field web-1 '[.tap, (.links[0] | [.tap, .verified])] | tojson')"
check "stopped it stays so" vmfork stop web-1 --keep
check "gc leaves it alone" same '' "$(vmfork gc)"
check "it is in nobody's way" holds "$(vmfork fork ready --json)" '.acked == 1'
check "its name is taken" says 1 'VM web-1: exists' "$VMFORK" fork ready \
	--name web
check "it cannot be snapshotted" says 1 'VM web-1: not running' "$VMFORK" \
	snapshot web-1 never
check "it has no console" says 1 'VM web-1: not running' "$VMFORK" console web-1
vmfork stop src ready-1 >/dev/null
vmfork pool fill ready -n 1 >/dev/null
vmfork fork ready --name pooled >/dev/null
pooled=$(identity pooled-1)
check "one of the pool is stopped" vmfork stop pooled-1 --keep
check "it starts" vmfork start pooled-1
check "as itself" is_pooled
check "which is not its sibling" [ "$(head -n 1 <<<"$pooled")" != \
	"$(head -n 1 <<<"$who")" ]
vmfork stop pooled-1 >/dev/null
check "its snapshot is removed" vmfork rmi ready
check "it starts" vmfork start web-1
check "it outlives the machine" is_durable web-1
check "from its own disk" has_after_boot web-1 fork1
check "its sibling has another" has_kept web-2 fork2
check "as itself" same "$who" "$(identity web-1)"
check "with its own network" has_own_network web-1
check "it is no fork any more" same null "$(vm_field web-1 '.snapshot | tojson')"
check "it runs already" says 1 'VM web-1: runs already' "$VMFORK" start web-1

# --- snapshots of it -----------------------------------------------------------

check "it is snapshotted" holds "$(vmfork snapshot web-1 again --mode diff \
	--quiesce --json)" '.status == "ready"'
sums=$(layers_of again)
check "it writes on" writes web-1 later
check "it is stopped again" vmfork stop web-1 --keep
check "and started" vmfork start web-1
check "with what came last" has_after_boot web-1 later
check "a fork of its snapshot" holds "$(vmfork fork again --json)" '.acked == 1'
check "has what was there then" has_kept again-1 fork1
check "nobody wrote the snapshot" same "$sums" "$(layers_of again)"

# --- who ends otherwise --------------------------------------------------------

# a pivot that its record does not know of
vmfork snapshot web-1 third --quiesce >/dev/null
guest web-1 'echo synced >/mnt/who && sync'
sums=$(layers_of third)
kill -KILL "$(vm_field web-1 .pid)"
check "its engine is killed: it is stopped" retry_until 10 has_ended web-1
check "it starts again" vmfork start web-1
check "with what it had written down" has_after_boot web-1 synced
check "nobody wrote that snapshot" same "$sums" "$(layers_of third)"
vmfork rmi third again --cascade >/dev/null
vmfork stop web-2 again-1 >/dev/null
guest web-1 'umount /mnt; poweroff -f' 2 >/dev/null 2>&1
check "it powers off: it is stopped" retry_until 30 has_ended web-1
check "gc takes what its run left" same 'last run of VM web-1' "$(vmfork gc)"
check "and nothing more" same '' "$(vmfork gc)"

# --- killed commands -----------------------------------------------------------

kept=synced
note_state
for s in 0.05 1; do
	check "start killed after $s s" survives_kill $s start web-1
	vmfork stop web-1 --keep >/dev/null
done
# on record is what it has run on, not what it is tried on
jq '.hardware.accel = "kvm"' "$STATE/vms/web-1/vm.json" >"$notes/vm.json"
cp "$notes/vm.json" "$STATE/vms/web-1/"
signalled KILL 0.5 start web-1 --accel tcg
check "killed, its accelerator is that of before" same kvm "$(accel_of web-1)"
vmfork gc >/dev/null
check "it starts on another" vmfork start web-1 --accel tcg
check "which is on record" same tcg "$(accel_of web-1)"
check "stop killed" survives_kill 0.05 stop web-1 --keep

# --- the machine boots anew ----------------------------------------------------

vmfork stop web-1 --keep >/dev/null
who=$(vm_field web-1 '"\(.mac) \(.ipv4) \(.ipv6)"')
ip link del vfb-default
ip link add vfb-default type bridge
check "another's link is in the way" says 1 'link vfb-default exists' "$VMFORK" \
	start web-1
check "it is stopped as before" is web-1 stopped
ip link del vfb-default
nft flush ruleset
rm "$STATE/net/default/leases.json"
vmfork run other --no-wait --accel tcg >/dev/null
check "it starts where nothing is left but files" vmfork start web-1
check "as itself" same "$who" "$(vm_field web-1 '"\(.mac) \(.ipv4) \(.ipv6)"')"
check "with its own network" eval 'answers web-1 && has_own_network web-1'
vmfork stop other >/dev/null

# --- a guest that has told nobody of its page ----------------------------------

vmfork run silent --no-wait --accel tcg --memory 128M --disk "$notes/fs" \
	>/dev/null
check "nobody has waited for it" same '"0x0"' \
	"$(jq .mailbox_gpa "$STATE/vms/silent/vm.json")"
check "it runs" answers silent
check "it is asked all the same" vmfork stop silent --keep
vmfork stop silent >/dev/null

# --- all -----------------------------------------------------------------------

vmfork run plain >/dev/null
mounts web-1
check "it writes" writes web-1 last
check "all are stopped" same 'plain web-1' "$(vmfork stop --all | xargs)"
check "which removes all that are not kept" same '["web-1","stopped"]' \
	"$(vmfork ps --json | jq -c '.[] | [.name, .state]')"
check "it starts" vmfork start web-1
check "with what came last" has_after_boot web-1 last
guest web-1 "kill -STOP \$(pidof vmfork-agent)" >/dev/null
check "one that cannot be asked is told of" says 0 \
	'warning: VM web-1: .*: ended and kept, as by a power cut' "$VMFORK" stop \
	--all --quiesce-timeout 1
check "it starts" vmfork start web-1
check "with what it had written down" has_after_boot web-1 last

# --- bad input -----------------------------------------------------------------

vmfork stop web-1 --keep >/dev/null
check "no such VM" says 1 'VM none: does not exist' "$VMFORK" start none
check "--no-quiesce without --keep" says 2 'no-quiesce' "$VMFORK" stop web-1 \
	--no-quiesce
vmfork run plain >/dev/null
check "--quiesce-timeout without --keep" says 2 'quiesce-timeout: nothing' \
	"$VMFORK" stop web-1 --quiesce-timeout 5
check "--accel auto" says 2 'neither kvm nor tcg' "$VMFORK" start web-1 \
	--accel auto
check "one without a disk" says 1 'VM plain: has no disk' "$VMFORK" stop plain \
	--keep
check "which goes on" is plain running
vmfork stop plain >/dev/null
mv "$STATE/vms/web-1/kernel" "$notes/"
check "its kernel has gone" says 1 'VM web-1: kernel: No such file' "$VMFORK" \
	start web-1
check "it is stopped as before" is web-1 stopped
mv "$notes/kernel" "$STATE/vms/web-1/"
touch "$notes/fs"
check "its image was written" says 1 'disk .*fs: was written' "$VMFORK" start \
	web-1
check "it is stopped as before" is web-1 stopped
check "all that run" vmfork stop --all
check "does not mean it" is web-1 stopped
check "it is removed by name" vmfork stop web-1
check "of which nothing is left" same '[]' "$(vmfork ps --json | jq -c .)"
done_testing
