#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
#
# What bad input gets: one line that names what and why, exit 1 or 2, and nothing
# left behind. The inventory of the host and all files of the state directory,
# with the leases in them, are the same after each refusal as before it.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

SOURCE=src-1 # a name that the forks of prefix "src" want
TOO_LONG=$(printf 'a%.0s' {1..41})
WORDS_MAX=$(printf 'w%.0s' {1..1023})
SOON_S=15 # for a fork that cannot go on

refused() { # STATUS PATTERN COMMAND...
	says "$@" && left_nothing
}

# --- command lines -----------------------------------------------------------

usage_errors() {
	local words

	while read -ra words; do
		says 2 '' vmfork "${words[@]}" || return
	done <<-'LINES'
		nosuchverb
		run
		run a b
		run flatten
		run a --nosuch
		run a --memory
		run a --memory 3
		run a --memory 64X
		run a --memory 99999999999999999999
		run a --memory -1
		run a --cpus 0
		run a --cpus 65
		run a --cpus two
		run a --timeout 1s
		run a --accel hax
		run a --net a --net b --net c --net d --net e
		run a --ip 10.231.0.256
		run a --ip 10.231.0.9/0
		run a --ip 10.231.0.9 --ip 10.231.0.9
		run a --ip 10.231.0.9 --no-ipv4
		run a --no-ipv6 --no-ipv4
		run a --mac 02:0:0:0:0:1
		run a --mtu 67
		run a --mtu 1501
		run a --mtu 1279
		run a --mtu 1400x
		run a --route 10.99.0.1/16
		run a --route default
		snapshot src-1
		snapshot src-1 s --mode lazy
		snapshot src-1 s --hooks fail
		snapshot src-1 s --quiesce --hooks maybe
		snapshot src-1 s --quiesce --quiesce-timeout 0
		snapshot src-1 s --quiesce-timeout 3601
		fork
		fork ready -n 0
		fork ready -n 4097
		fork ready -n -1
		fork ready -n 99999999999
		fork ready -n
		fork ready extra
		fork ready --wait
		fork ready --wait soon
		fork ready --wait settled --no-wait
		fork ready --wait network --no-mail
		fork ready --hostname {nam}
		fork ready --hostname a_b
		fork ready --hostname -a
		fork ready --hostname a --no-hostname
		fork ready --dns nowhere
		fork ready --dns 224.0.0.1
		fork ready --dns ff02::1
		fork ready --dns ::1 --dns ::1 --dns ::1 --dns ::1
		fork ready --search a_b
		fork ready --search a. --search .b
		fork ready --hooks maybe
		fork ready --hooks-timeout 0
		fork ready --hooks-timeout 3601
		fork ready --hooks-timeout 61
		fork ready --hooks-timeout 4 --timeout 3
		fork ready --no-mail --hostname a
		fork ready --no-mail --search a.test
		fork ready --no-mail --hooks-timeout 9
		fork ready --no-mail --ip 10.231.0.9
		fork ready --no-mail --net default --mtu 1400
		fork ready --payload a --payload-dir b
		fork ready --net a --net b
		fork ready -n 2 --ip 10.231.0.9
		fork ready -n 2 --mac 06:00:00:00:00:01
		stop
		stop --all src-1
		rmi
		net
		net nosuch
		net create a --ipv4 10.0.0.1
		net create a --ipv4 10.0.0.256/16
		net create a --ipv6 ::/x
		ps extra
		gc extra
	LINES
	says 2 'kernel' env -u VMFORK_KERNEL "$VMFORK" run a &&
		says 2 'append' vmfork run a --append "w$WORDS_MAX" &&
		says 1 'kernel' vmfork run a --append "$WORDS_MAX" \
			--kernel /nonexistent && left_nothing
}

# What is said of a verb is the same, whichever way it is asked for.
help_is_told() {
	local verb

	[ "$(vmfork help)" = "$(vmfork --help)" ] || return
	for verb in fork 'bench ack'; do
		# shellcheck disable=SC2086 # words
		[ -n "$(vmfork help $verb)" ] &&
			[ "$(vmfork help $verb)" = "$(vmfork $verb --help)" ] || return
	done
	says 2 'no such verb' vmfork help nosuchverb
}

invalid_names() {
	local name

	for name in '' A .a ../a a/b 'a b' "$TOO_LONG"; do
		says 1 'invalid' vmfork run "$name" &&
			says 1 'invalid' vmfork snapshot "$SOURCE" "$name" &&
			says 1 'invalid' vmfork fork "$name" &&
			says 1 'invalid' vmfork fork ready --name "$name/" &&
			says 1 'invalid' vmfork stop "$name" &&
			says 1 'invalid' vmfork rmi "$name" &&
			says 1 'invalid' vmfork net create "$name" || return
	done
	says 1 'invalid' vmfork net create twelve-chars &&
		says 1 'invalid' vmfork run a --net ../a && left_nothing
}

missing_things() {
	refused 1 'kernel /nonexistent: No such' \
		vmfork run a --kernel /nonexistent &&
		refused 1 'initrd /nonexistent: No such' \
			vmfork run a --initrd /nonexistent &&
		refused 1 'kernel /: ' vmfork run a --kernel / &&
		refused 1 'nosuch.*(exist|none)' vmfork run a --net nosuch &&
		refused 1 'nosuch: does not exist' vmfork fork nosuch &&
		refused 1 'nosuch: does not exist' vmfork rmi nosuch &&
		refused 1 'nosuch: does not exist' vmfork stop nosuch &&
		refused 1 'nosuch: does not exist' \
			vmfork snapshot nosuch a &&
		refused 1 'nosuch: does not exist' vmfork console nosuch &&
		refused 1 'nosuch: neither' vmfork inspect nosuch &&
		refused 1 'nosuch' vmfork net rm nosuch
}

# Before anything of the forks is made, with one line for all of them.
payloads() {
	local dir=$notes/payloads

	mkdir "$dir" && : >"$dir/empty" && head -c 2049 /dev/zero >"$dir/large" &&
		echo 1 >"$dir/web-1" || return
	refused 1 'payload /nonexistent: No such' \
		vmfork fork ready -n 2 --payload /nonexistent &&
		refused 1 'payload /: neither a file' \
			vmfork fork ready --payload / &&
		refused 1 'payload /dev/zero: neither a file' \
			vmfork fork ready --payload /dev/zero &&
		refused 1 'large: larger than 2048 bytes' \
			vmfork fork ready --payload "$dir/large" &&
		refused 1 'empty: is empty' \
			vmfork fork ready --payload "$dir/empty" &&
		refused 1 'in /nonexistent: No such' \
			vmfork fork ready --payload-dir /nonexistent &&
		refused 1 'web-2: No such' vmfork fork ready -n 2 --name web \
			--payload-dir "$dir" &&
		refused 1 'never: its writer did not' vmfork fork ready \
			--payload "$notes/never" --timeout 1
}

# What no interface on the network default may have, or has already.
links_refused() {
	local words pattern

	while read -r pattern words; do
		# shellcheck disable=SC2086 # one word for each
		says 1 "${pattern//_/ }" vmfork fork ready $words || return
	done <<-'LINES'
		not_in_its_subnet --ip 10.232.0.9
		not_in_its_subnet --ip fd00::9
		prefix_length_24 --ip 10.231.0.9/24
		the_gateway's --ip 10.231.0.1
		the_subnet's_own --ip 10.231.0.0
		the_broadcast_address --ip 10.231.255.255
		leased_to_src-1 --ip 10.231.0.2
		multicast --mac 01:00:00:00:00:01
		no_address --mac 00:00:00:00:00:00
	LINES
	says 1 'leased to src-1' vmfork fork ready --mac "$(vm_field src-1 .mac)" &&
		says 1 'gateway is not in the subnet' \
			vmfork fork ready --route '10.99.0.0/16 via 10.99.0.1' &&
		says 1 'source is no address' vmfork fork ready \
			--route '10.99.0.0/16 via 10.231.0.1 src 10.231.0.2' &&
		says 2 'family' vmfork fork ready --route '10.99.0.0/16 via fd00::1' &&
		says 1 'named twice' vmfork run a --net default --net default &&
		left_nothing
}

taken_names() {
	refused 1 "$SOURCE: exists" vmfork run "$SOURCE" &&
		refused 1 'ready: exists' vmfork snapshot "$SOURCE" ready &&
		refused 1 "$SOURCE: exists" vmfork fork ready --name src &&
		refused 1 'default: exists' vmfork net create default
}

# What a burst would lack half way is said before it begins.
few_descriptors() {
	refused 1 '100 forks need .* open files' prlimit --nofile=256:256 \
		"$VMFORK" fork ready -n 100
}

# A bridge of that name that is somebody else's stays as it is.
foreign_bridge() {
	ip link add vfb-mine type bridge && note_state || return
	refused 1 'vfb-mine exists and is not ours' vmfork net create mine
	local rc=$?
	ip link del vfb-mine
	note_state
	return "$rc"
}

# --- what a machine lacks ----------------------------------------------------

script() { # NAME LINE...
	printf '#!/bin/sh\n' >"$notes/$1"
	printf '%s\n' "${@:2}" >>"$notes/$1"
	chmod +x "$notes/$1"
}

engines() {
	# shellcheck disable=SC2016 # the scripts expand
	script old 'echo "QEMU emulator version 7.2.19 (Debian)"' \
		'[ "$1" = --version ]'
	# shellcheck disable=SC2016
	script mute '[ "$1" = --version ] && echo QEMU emulator version 10.0.2'
	refused 1 'too old: QEMU emulator version 7.2' \
		env VMFORK_QEMU="$notes/old" "$VMFORK" run a &&
		refused 1 'too old: QEMU emulator version 7.2' \
			env VMFORK_QEMU="$notes/old" "$VMFORK" fork ready &&
		refused 1 '/nonexistent: No such' \
			env VMFORK_QEMU=/nonexistent "$VMFORK" run a &&
		refused 1 '/nonexistent: No such' \
			env VMFORK_QEMU=/nonexistent "$VMFORK" fork ready &&
		refused 1 'QEMU ended' \
			env VMFORK_QEMU="$notes/mute" "$VMFORK" run a
}

# In a mount namespace of its own, after a command that mounts something.
mounted() { # MOUNT-COMMAND COMMAND...
	unshare --mount sh -c "$1"' && exec "$@"' "$@"
}

no_tun() {
	local no_tun='mount -t tmpfs tmpfs /dev/net'

	refused 1 '/dev/net/tun: ' mounted "$no_tun" "$VMFORK" run a &&
		refused 1 '/dev/net/tun: ' mounted "$no_tun" "$VMFORK" \
			fork ready
}

# A run that cannot even begin has found out nothing about KVM.
learns_nothing() {
	local rc

	mkdir "$notes/aside"
	mv "$STATE"/kvm-* "$notes/aside"
	note_state
	no_tun
	rc=$?
	mv "$notes/aside"/* "$STATE"
	note_state
	return "$rc"
}

kvm_opens() {
	: <>/dev/kvm
} 2>/dev/null

no_state() {
	local ro="mount --bind $STATE $STATE && mount -o remount,ro,bind $STATE"

	refused 1 'state directory /dev/null: .*Not a dir' \
		vmfork run a --state /dev/null &&
		refused 1 'state directory /no/such' \
			vmfork ps --state /no/such &&
		refused 1 'Read-only file system' mounted "$ro" "$VMFORK" run a &&
		refused 1 'Read-only file system' mounted "$ro" "$VMFORK" \
			snapshot "$SOURCE" a &&
		refused 1 'Read-only file system' mounted "$ro" "$VMFORK" \
			fork ready &&
		refused 1 'Read-only file system' mounted "$ro" "$VMFORK" \
			stop "$SOURCE"
}

# Leave so many KiB of the state directory's file system.
leave_room() { # KIB
	local used

	used=$(df -k --output=used "$STATE" | tail -n 1)
	mount -o "remount,size=$((used + $1))k" "$STATE"
}

source_goes_on() {
	[ "$(vm_field "$SOURCE" .state)" = running ] &&
		ping4 "$(vm_field "$SOURCE" .ipv4)" && guest "$SOURCE" true
}

# What is told of where, and what to do.
hints_at_room() { # COMMAND...
	"$@" 2>&1 | grep -qF "hint: make room in $STATE, with 'vmfork rmi'"
}

full_disk() {
	local room rc=0

	# shellcheck disable=SC2015 # each part says whether it failed
	leave_room 1024 && {
		refused 1 'No space left' vmfork run a &&
			hints_at_room vmfork run a &&
			refused 1 'snapshot a: .*No space left' vmfork snapshot "$SOURCE" a &&
			source_goes_on
	} && leave_room 20480 && {
		# here it ends in the middle of the memory image
		refused 1 'snapshot a: .*No space left' vmfork snapshot "$SOURCE" a &&
			hints_at_room vmfork snapshot "$SOURCE" a &&
			source_goes_on
	} || rc=1
	for room in 0 4 8; do
		leave_room "$room"
		refused 1 'No space left' vmfork fork ready || rc=1
	done
	any_room
	return "$rc"
}

any_room() {
	mount -o remount,size=4g "$STATE"
}

# Somewhere from here on it is enough. Before, it ends soon, and leaves nothing:
# the engine may be the one that misses its files.
nearly_full() {
	local room began text rc

	# a guest that reads a hole of its memory file makes a page of it
	for room in 12 16 20 24 28 64 1024; do
		leave_room "$room"
		began=$SECONDS
		text=$(vmfork fork ready 2>&1 >/dev/null)
		rc=$?
		any_room
		echo "$room KiB: exit status $rc $text"
		[ $((SECONDS - began)) -le "$SOON_S" ] || return 1
		case $rc in
		0) vmfork stop ready-1 ;;
		1) [ "$(grep -c '^vmfork: ' <<<"$text")" = 1 ] ;;
		*) false ;;
		esac && left_nothing || return
	done
	[ "$rc" = 0 ]
}

# These are how one makes room.
full_disk_is_freed() {
	local rc=0

	vmfork net create aside && vmfork snapshot "$SOURCE" spare &&
		vmfork fork ready --name spare || return
	leave_room 0
	vmfork stop spare-1 || rc=1
	leave_room 0
	vmfork rmi spare || rc=1
	leave_room 0
	vmfork net rm aside || rc=1
	any_room
	left_nothing && source_goes_on || rc=1
	return "$rc"
}

# --- snapshots and guests ----------------------------------------------------

# Copies of the snapshot, each with one fault.
broken_snapshots() {
	local name dir=$STATE/snapshots

	for name in flipped truncated stateless empty; do
		cp -r --sparse=always "$dir/ready" "$dir/$name" || return
	done
	# a digit of the mailbox's address
	sed -i 's/\("mailbox_gpa": *[0-9]*\)[0-9]/\1x/; s/\([0-9]\)x/\1/' \
		"$dir/flipped/manifest.json"
	truncate -s -4096 "$dir/truncated/memory"
	rm "$dir/stateless/state"
	: >"$dir/empty/manifest.json"
	note_state
	for name in flipped truncated stateless empty; do
		refused 1 "$name: does not verify: " vmfork fork "$name" -n 2 ||
			return
	done
	holds "$(vmfork snapshots --json)" \
		'map(select(.status == "broken")) | length == 4' || return
	vmfork rmi flipped truncated stateless empty && note_state
}

without_mailbox() {
	local rc

	vmfork run deaf --no-wait --append 'console=ttyS0 vmfork.agent=none' &&
		note_state || return
	refused 1 'mailbox' vmfork snapshot deaf a
	rc=$?
	[ "$(vm_field deaf .state)" = running ] || rc=1
	vmfork stop deaf && note_state
	return "$rc"
}

# The reason is one line, with a hint; before it stands the tail of the console.
never_arms() {
	local text rc

	# on a busy machine the console proper says nothing for longer than that
	text=$(vmfork run a --timeout 8 --append \
		'console=ttyS0 earlyprintk=ttyS0 vmfork.agent=none' 2>&1 >/dev/null)
	rc=$?
	echo "$text"
	[ "$rc" = 1 ] && grep -q '^vmfork: VM a: did not arm within 8 s' \
		<<<"$text" && grep -q '^vmfork: console: ' <<<"$text" &&
		[ "$(grep -Ecv '^vmfork: (console|hint): ' <<<"$text")" = 1 ] &&
		left_nothing
}

# --- one of three ------------------------------------------------------------

fork_one_fails() {
	# shellcheck disable=SC2016 # the script expands
	script picky 'case " $* " in *" -name web-2 "*)' \
		'echo "web-2 has no luck" >&2; exit 1;; esac' \
		'exec qemu-system-x86_64 "$@"'
	forks=$(VMFORK_QEMU=$notes/picky vmfork fork ready -n 3 --name web \
		--json)
	rc=$?
	echo "exit status $rc"
	[ "$rc" = 3 ]
}

the_record_is_exact() {
	holds "$forks" '.requested == 3 and .acked == 2 and .failed == 1' &&
		holds "$forks" '.forks | map(.name) ==
			["web-1", "web-2", "web-3"]' &&
		holds "$forks" '.forks[1] | .state == "failed" and
			(.error | contains("web-2 has no luck")) and
			.timeline_us.resumed == null' &&
		holds "$forks" '[.forks[0], .forks[2]] | all(.state == "running"
			and .error == null and .timeline_us.acked != null)'
}

siblings_live() {
	reachable web-1 && reachable web-3 &&
		guest web-1 'vmfork-agent status' >/dev/null
}

nothing_of_the_failed() {
	local tap removed

	removed=$(vmfork gc)
	echo "gc removed: $removed"
	tap=$(field "$forks" '.forks[1].tap')
	[ "$(vmfork ps --json | jq -r 'map(.name) | join(" ")')" = \
		"$SOURCE web-1 web-3" ] && [ ! -e "/sys/class/net/$tap" ] &&
		holds "$(vmfork net ls --json)" '.[0].leases == 3' &&
		[ -z "$removed" ]
}

vmfork run "$SOURCE" || bail "the source does not boot"
vmfork snapshot "$SOURCE" ready || bail "there is no snapshot to fork"
note_state
check "command lines that make no sense" usage_errors
check "help is told" help_is_told
check "names that are invalid" invalid_names
check "things that are missing" missing_things
check "payloads that nobody can be given" payloads
check "names that are taken" taken_names
check "interfaces that cannot be had" links_refused
check "more forks than descriptors" few_descriptors
check "a network whose bridge is somebody else's" foreign_bridge
check "a QEMU that is too old, absent, or dies" engines
check "no /dev/net/tun" no_tun
if kvm_opens && compgen -G "$STATE/kvm-*" >/dev/null; then
	check "and nothing is learnt about KVM then" learns_nothing
else
	skip "and nothing is learnt about KVM then" "/dev/kvm does not open"
fi
check "a state directory that cannot be written" no_state
check "a state directory that is full" full_disk
check "one that is nearly full" nearly_full
check "stop, rmi and net rm on a full one" full_disk_is_freed
check "snapshots that do not verify" broken_snapshots
check "a guest without a mailbox" without_mailbox
check "a guest that never arms" never_arms
check "one of three forks fails" fork_one_fails
check "the record says which and why" the_record_is_exact
check "its siblings live" siblings_live
check "nothing of it is left" nothing_of_the_failed
vmfork stop web-1 web-3
check "and nothing of its siblings, once they are stopped" left_nothing
check "the source has not noticed" source_goes_on
done_testing
