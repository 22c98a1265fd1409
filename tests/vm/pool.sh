#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12
# time: 900
#
# Engines that were started ahead: forks take them, each once, and are who they
# are as forks that were not; whatever is killed when, gc finds what is left.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

hashes() {
	(cd "$STATE/snapshots/ready" && sha256sum ./*)
}

pool_is() { # FILTER
	holds "$(vmfork pool ls --json)" "$1"
}

# A fork of so many, of which so many come from the pool; all have to settle.
forks() { # NUMBER FROM_POOL ARGUMENT...
	local number=$1 pooled=$2

	shift 2
	said=$(vmfork fork ready -n "$number" --json "$@")
	holds "$said" ".acked == $number and .failed == 0 and
		([.forks[] | select(.from_pool)] | length) == $pooled and
		([.forks[].reached] | unique) == [\"settled\"] and
		([.forks[].verified] | all)"
}

distinct() { # JSON KEY NUMBER
	holds "$1" "[.forks[].$2] | unique | length == $3"
}

# What the host calls it: process, link, lease.
is_called() { # VM
	local pid tap

	read -r pid tap < <(vm_field "$1" '"\(.pid) \(.tap)"')
	[ "$(tr '\0' '\n' <"/proc/$pid/cmdline" | sed -n 3p)" = "$1" ] &&
		[ "$(cat "/sys/class/net/$tap/ifalias")" = "vmfork:$1" ] &&
		jq -e --arg name "$1" --arg tap "$tap" \
			'.leases[$name].tap == $tap' \
			"$STATE/net/default/leases.json" >/dev/null
}

boot_id() { # VM
	guest "$1" 'cat /proc/sys/kernel/random/boot_id' 3
}

booted_again() { # VM OLD
	local now

	answers "$1" 20 && now=$(boot_id "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}

mounts() { # VM
	guest "$1" 'modprobe virtio_blk && mkdir -p /mnt && mount /dev/vda /mnt'
}

keeps() { # VM TEXT: on its disk, through its page cache
	guest "$1" "echo $2 >/mnt/who && sync && echo 3 >/proc/sys/vm/drop_caches"
}

has_kept() { # VM TEXT
	same "$2" "$(guest "$1" 'cat /mnt/who')"
}

boot src || bail "no source"
vmfork snapshot src ready || bail "no snapshot"
before=$(guest_network src)
hashed=$(hashes)

# --- fill, and take ----------------------------------------------------------

check "fill: four entries" holds "$(vmfork pool fill ready -n 4 --json)" '
	.snapshot == "ready" and .requested == 4 and .failed == 0
	and (.entries | length) == 4 and (.entries | all(.error == null))'
check "ls: what they are, and cost" pool_is '
	length == 4 and all(.state == "ready" and .snapshot == "ready"
		and .private_bytes > 0 and .private_bytes < .memory_bytes / 2
		and .shared_bytes > 0 and .age_s >= 0 and .cpu_us > 0)
	and ([.[] | .ipv4, .mac, .tap, .pid] | unique | length) == 16'
check "ps: they are no VMs" holds "$(vmfork ps --json)" 'length == 1'

entries=$(vmfork pool ls --json | jq '[.[].pid] | sort')
check "three are taken" forks 3 3 --name web
check "they are engines that were there" holds \
	"{\"had\": $entries, \"are\": $(jq '[.forks[].pid]' <<<"$said")}" \
	'(.are - .had) == [] and (.are | unique | length) == 3'
for key in mac ipv4 ipv6 tap restore_id; do
	check "each has a $key of its own" distinct "$said" $key 3
done
for name in web-1 web-2 web-3; do
	check "$name has its network, and nothing of its parent's" \
		has_own_network $name
	check "$name is reached" reachable $name
	check "$name is called so by the host" is_called $name
	check "$name knows its name" guest $name "[ \$(hostname) = $name ]"
done
check "one is left" pool_is 'length == 1 and all(.state == "ready")'
check "one and two cold ones" forks 3 1 --name more
check "more-1 has its network" has_own_network more-1
check "none is left" pool_is 'length == 0'
check "the source's network is untouched" same "$before" "$(guest_network src)"
check "the snapshot's files are the same" same "$hashed" "$(hashes)"

was=$(boot_id web-1)
network=$(guest_network web-1)
check "it is told to reboot" guest web-1 '(sleep 1; reboot -f) >/dev/null 2>&1 &'
check "a snapshot of another one" vmfork snapshot web-2 again
check "and a fork of that" holds "$(vmfork fork again --name next --json)" \
	'.acked == 1'
check "it boots again" retry_until 90 booted_again web-1 "$was"
check "it has its mail at boot" retry_until 30 agent_says web-1 \
	'.generation == 0 and .signal == "boot" and .stage == "settled"'
check "as itself" same "$network" "$(guest_network web-1)"
check "by its name" guest web-1 "[ \$(hostname) = web-1 ]"
vmfork stop web-1 web-2 web-3 more-1 more-2 more-3 next-1 >/dev/null
vmfork rmi again

# --- what fits ---------------------------------------------------------------

vmfork pool fill ready
check "another MAC: not from the pool" forks 1 0 --name mac \
	--mac 02:00:00:aa:bb:cc
check "--cold: not from the pool" forks 1 0 --name cold --cold
check "an MTU: from the pool" forks 1 1 --name mtu --mtu 1400
check "which it has" guest mtu-1 \
	'grep -qx 1400 /sys/class/net/eth0/mtu'
vmfork pool fill ready
vmfork net create other
check "another network: not from the pool" forks 1 0 --name net --net other
vmfork pool fill ready --net other
check "one of that network" forks 1 1 --name onet --net other
vmfork stop --all >/dev/null
vmfork net rm other
check "stop --all leaves the pool" pool_is 'length == 1'
check "a fork when its source has gone" forks 1 1 --name late
vmfork stop --all >/dev/null

# --- several at once, and behind the back ------------------------------------

vmfork pool fill ready -n 4 >/dev/null
vmfork fork ready -n 3 --name left --json >"$notes/left" &
vmfork fork ready -n 3 --name right --json >"$notes/right"
wait $!
both=$(jq -s '{forks: [.[].forks[]]}' "$notes/left" "$notes/right")
check "two commands at once: each entry once" holds "$both" '
	([.forks[] | select(.from_pool)] | length) == 4
	and (.forks | all(.reached == "settled"))'
for key in pid mac ipv4 tap; do
	check "two commands at once: each $key once" distinct "$both" $key 6
done
vmfork stop --all >/dev/null
vmfork pool fill ready >/dev/null
check "a fork that refills" forks 1 1 --name re --refill
check "behind its back" retry_until 60 pool_is \
	'length == 1 and all(.state == "ready")'
check "with one that can be taken" forks 1 1 --name fill
vmfork stop --all >/dev/null

# --- the end of the snapshot, and of entries ---------------------------------

vmfork pool fill ready -n 2 >/dev/null
pid=$(vmfork pool ls --json | jq '.[0].pid')
kill -KILL "$pid"
retry_until 10 pool_is 'any(.state == "dead")'
check "an engine that died is not taken" forks 1 1 --name dead
check "it is listed" pool_is 'length == 1 and all(.state == "dead")'
check "gc removes it" test -n "$(vmfork gc)"
check "and only it" pool_is 'length == 0'
vmfork snapshot dead-1 again >/dev/null
vmfork stop --all >/dev/null
vmfork pool fill again -n 2 >/dev/null
vmfork pool fill ready >/dev/null
check "rmi takes entries along" vmfork rmi again
check "those of that snapshot" pool_is \
	'length == 1 and all(.snapshot == "ready")'
check "drain" vmfork pool drain ready
check "none is left" pool_is 'length == 0'
check "nothing to drain is no error" vmfork pool drain --all
check_fails "fill: no snapshot" 1 'snapshot none: does not exist' \
	vmfork pool fill none
check_fails "fill: no number" 2 'not 1 to' vmfork pool fill ready -n 0
check_fails "fill: what is the fork's" 2 "the rest is the fork's" \
	vmfork pool fill ready --mac 02:00:00:00:00:01
check_fails "fill: too many networks" 2 'named 2 times' \
	vmfork pool fill ready --net default --net other
check_fails "drain: which?" 2 'needs fill SNAPSHOT' vmfork pool drain
check_fails "ls takes no option of fill's" 2 'only with pool fill' \
	vmfork pool ls --net default
check_fails "ls takes no number" 2 'number: only with pool fill' \
	vmfork pool ls -n 5
check_fails "drain takes all, and no number" 2 'number: only with pool fill' \
	vmfork pool drain ready -n 2
check_fails "a cold fork has nothing to refill" 2 'nothing is taken with' \
	vmfork fork ready --cold --refill
check "what was refused left nothing" pool_is 'length == 0'

# --- disks, and forks of forks -----------------------------------------------

truncate -s 8M "$notes/fs"
mkfs.ext4 -q "$notes/fs" || bail "no image"
image=$(sha256sum <"$notes/fs")
boot src2 --disk "$notes/fs" || bail "no second source"
mounts src2 || bail "no disk"
keeps src2 src2
vmfork snapshot src2 disk >/dev/null
vmfork pool fill disk >/dev/null
check "with a disk: from the pool" holds \
	"$(vmfork fork disk --name disk --json)" \
	'.acked == 1 and .forks[0].from_pool'
keeps disk-1 one
check "with a disk: a live branch of it" vmfork snapshot disk-1 next --mode live
check "with a disk: a diff of it" vmfork snapshot disk-1 last --mode diff
keeps disk-1 two
vmfork pool fill next >/dev/null
vmfork pool fill last >/dev/null
check "with a disk: of the live branch" holds \
	"$(vmfork fork next --name next --json)" \
	'.acked == 1 and .forks[0].from_pool'
check "with a disk: of the diff" holds \
	"$(vmfork fork last --name last --json)" \
	'.acked == 1 and .forks[0].from_pool'
for name in src2:src2 disk-1:two next-1:one last-1:one; do
	check "with a disk: ${name%:*} has its own" has_kept "${name%:*}" \
		"${name#*:}"
	check "with a disk: ${name%:*} can write" keeps "${name%:*}" all
done
vmfork stop disk-1 next-1 last-1 src2 >/dev/null
vmfork rmi disk next last >/dev/null
check "with a disk: the image is as it was" same "$image" \
	"$(sha256sum <"$notes/fs")"

# --- killed at any moment ----------------------------------------------------

note_state
for seconds in 0.02 0.05 0.1 0.2 0.3 0.5 0.8 1.2; do
	signalled KILL $seconds pool fill ready -n 3
	vmfork gc
	check "fill, killed after $seconds s: whole entries or none" pool_is \
		'all(.state == "ready")'
	vmfork pool drain --all
	check "fill, killed after $seconds s: nothing is left" left_nothing
done
signalled INT 0.3 pool fill ready -n 3
vmfork pool drain --all
check "fill, interrupted: nothing is left" left_nothing
for seconds in 0.02 0.03 0.05 0.08 0.12 0.3; do
	vmfork pool fill ready -n 3 >/dev/null
	signalled KILL $seconds fork ready -n 3 --name killed --wait none
	vmfork gc
	check "fork, killed after $seconds s: whole entries" pool_is \
		'all(.state == "ready")'
	check "fork, killed after $seconds s: whole forks" holds \
		"$(vmfork ps --json)" 'all(.state == "running")'
	vmfork ps --json | jq -r '.[].name' | grep '^killed' |
		xargs -r "$VMFORK" stop
	vmfork pool drain --all
	check "fork, killed after $seconds s: nothing is left" left_nothing
done

# --- the snapshot goes, or who fills, while it fills --------------------------

# Who fills the pool: an entry bears its mark until it is ready; the second line
# is that of /proc/PID/stat.
fills() {
	filler=$(sed -n '2s/ .*//p' "$STATE"/pool/*/creator 2>/dev/null |
		head -n 1)
	[ -n "$filler" ]
}

# A fork takes three of a snapshot, and its refill is under way.
refills() { # SNAPSHOT
	vmfork pool fill "$1" -n 3 >/dev/null &&
		vmfork fork "$1" -n 3 --name re --refill >/dev/null &&
		retry_until 10 fills
}

none_is_left() { # WHAT
	check "$1: it ends" wait_end "$filler"
	check "$1: no entry is left" pool_is 'length == 0'
	vmfork stop re-1 re-2 re-3 >/dev/null
	check "$1: nothing is left" left_nothing
}

# the source was stopped with all others
vmfork fork ready --name base >/dev/null
note_state
check "a refill that is interrupted" refills ready
kill -TERM "$filler"
none_is_left "a refill that is interrupted"
check "a refill that is killed" refills ready
kill -KILL "$filler"
wait_end "$filler"
vmfork gc
none_is_left "a refill that is killed"

vmfork snapshot base-1 again >/dev/null
check "its snapshot is removed" refills again
vmfork rmi again
none_is_left "its snapshot is removed"
vmfork snapshot base-1 again >/dev/null
check "its snapshot is replaced" refills again
vmfork rmi again && vmfork snapshot base-1 again >/dev/null
check "its snapshot is replaced: it ends" wait_end "$filler"
check "its snapshot is replaced: no entry of the old one" pool_is 'length == 0'
vmfork stop re-1 re-2 re-3 >/dev/null
"$VMFORK" pool fill again -n 3 >/dev/null &
check "rmi while it is filled" retry_until 10 fills
vmfork rmi again
wait $!
check "rmi while it is filled: nothing was" [ $? = 1 ]
check "rmi while it is filled: no entry" pool_is 'length == 0'
check "rmi while it is filled: nothing is left" left_nothing

# --- a part of a batch fails ------------------------------------------------

printf '#!/bin/sh\necho "does not start"\nexit 1\n' >"$notes/engine"
chmod +x "$notes/engine"
vmfork pool fill ready -n 2 >/dev/null
said=$(VMFORK_QEMU=$notes/engine vmfork fork ready -n 3 --name mix --json)
check "the cold part fails: exit status 3" [ $? = 3 ]
check "the cold part fails, and only it" holds "$said" '
	.failed == 1 and .acked == 2 and ([.forks[] | select(.from_pool)]
		| length == 2 and all(.error == null and .reached == "settled"))
	and ([.forks[] | select(.from_pool | not)]
		| length == 1 and all(.state == "failed" and .error != null))'
check "the cold part fails: the others are reached" reachable mix-1
check "the cold part fails: there are no more" holds "$(vmfork ps --json)" \
	'[.[].name] | sort == ["base-1", "mix-1", "mix-2"]'
vmfork stop mix-1 mix-2 >/dev/null
check "the cold part fails: no entry is left" pool_is 'length == 0'
check "the cold part fails: nothing is left" left_nothing
done_testing
