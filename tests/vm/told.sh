#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 (7.2)
# time: 180
#
# What forks are told beside their network: what their guests make of it, what
# the host reports, how long it waits, and what it says where a guest refuses.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

SECRET=qfx7-payload-of
SLOW_S=4	# of the hook in forks called slow
REFUSED="the guest refused its mail: hostname: a character that may not be there"
REFUSED_MS=20000 # a third of the time for which the command would wait

# What a hook is for in each test stands in the fork's name.
# shellcheck disable=SC2016 # the guest's shell expands
hook='#!/bin/sh
case $VMFORK_NAME in
slow-*) sleep '$SLOW_S' ;;
hung-*) sleep 600 ;;
bad-*) exit 1 ;;
esac'

# The files of a distribution, which are changed where they are there.
put_files() {
	guest src 'echo "127.0.1.1 vmfork" >/etc/hosts
echo 0123456789abcdef0123456789abcdef >/etc/machine-id'
}

put_hook() {
	guest src "mkdir -p /etc/vmfork/post-restore.d
cat >/etc/vmfork/post-restore.d/10-test <<'END'
$hook
END
chmod 755 /etc/vmfork/post-restore.d/10-test"
}

make_payloads() {
	mkdir "$notes/payloads"
	for name in web-1 web-2; do
		printf '%s %s' $SECRET $name >"$notes/payloads/$name"
	done
}

# --- in the guest ------------------------------------------------------------

resolv='nameserver 10.231.0.1
nameserver fd00::53
search a.example b.example'

has_hostname() { # VM
	same "h-$1" "$(guest "$1" hostname)"
}

has_hosts() { # VM
	guest "$1" "grep -q '[[:space:]]h-$1\>' /etc/hosts"
}

has_resolv() { # VM
	same "$resolv" "$(guest "$1" "grep '^search\|^nameserver' /etc/resolv.conf | sort")"
}

has_machine_id() { # VM
	same "$(jq -r ".forks[] | select(.name == \"$1\") | .machine_id" \
		<<<"$forked")" "$(guest "$1" 'cat /etc/machine-id')"
}

has_payload() { # VM
	same "$SECRET $1 600" "$(guest "$1" \
		"cat /run/vmfork/payload; stat -c ' %a' /run/vmfork/payload")"
}

# The page, and all else that the agent can write to, in /tmp/page and /tmp/rest.
# shellcheck disable=SC2016
AGENT_MEMORY='pid=$(pidof vmfork-agent); rm -f /tmp/page /tmp/rest
grep " rw" /proc/$pid/maps | while read -r at mode offset dev inode name; do
case $name in socket:*|/dev/vmfork) out=page ;; *) out=rest ;; esac
from=$((0x${at%-*} / 4096)) to=$((0x${at#*-} / 4096))
dd if=/proc/$pid/mem bs=4096 skip=$from count=$((to - from)) 2>/dev/null >>/tmp/$out
done'

# Its name, which is no secret, is found in the same way, as is the page's magic.
payload_is_erased() { # VM
	guest "$1" "$AGENT_MEMORY
[ \$(stat -c %s /tmp/page) = 4096 ] && grep -q vmfork /tmp/page &&
grep -q $1 /tmp/rest && ! grep $SECRET /tmp/page /tmp/rest"
}

# --- on the host -------------------------------------------------------------

contract='.forks | all(
	(.hostname == "h-" + .name)
	and (.machine_id | test("^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$"))
	and (.settle | keys == ["clock", "clock_late_us", "killed", "reseed",
		"reseed_window_us", "skew_after_us", "skew_before_us", "tasks"]
	and (.tasks | keys - ["clock", "hooks", "hostname", "hosts",
		"machine-id", "notify", "payload", "resolv", "tcp", "thaw"] == []
		and length == 10 and all(. == "done" or . == "none")
		and ([.clock, .hostname, .hosts, .resolv, ."machine-id", .payload,
			.hooks] | all(. == "done")))
	and .clock == "mail" and (.skew_after_us | fabs) < 1000000
	and .clock_late_us > 0 and .clock_late_us < 1000000
	and .reseed == "done" and .reseed_window_us > 0 and .killed == 0))'

# It stands in no file: neither in a record nor in the mail for a reboot, which
# tells all else.
payload_is_gone() {
	local file

	same '' "$(grep -rlF "$SECRET" "$STATE")" || return
	for file in "$STATE"/vms/web-*/mail; do
		[ "$(stat -c %a "$file")" = 600 ] && grep -q h-web "$file" ||
			return
	done
}

# --- waiting -----------------------------------------------------------------

# Each comes back with no more than it was told to wait for.
waits() { # WHAT FILTER
	local said

	said=$(vmfork fork ready --name "slow-$1" --wait "$1" --json) || return
	holds "$said" ".forks[0] | .error == null and $2"
}

waits_for_hooks() {
	waits settled ".reached == \"settled\" and .settle.tasks.hooks == \"done\"
		and .timeline_us.settled - .timeline_us.acked > $((SLOW_S * 1000000 / 2))"
}

# Who asks later finds it settled, or waits in the guest.
settles_by_itself() { # VM
	local said

	said=$(guest "$1" 'vmfork-agent wait --generation 0 --settled --timeout 60' \
		90) && holds "$said" '.generation == 1 and .settled
		and .tasks.hooks == "done"'
}

# On a busy machine a fork may need longer than that for its network alone.
gives_up() {
	local said rc limit

	for limit in 2 6 20; do
		said=$(vmfork fork ready --name "hung-late$limit" \
			--timeout "$limit" --json)
		rc=$?
		[ "$(jq .acked <<<"$said")" = 0 ] || break
	done
	[ "$rc" = 3 ] && holds "$said" ".acked == 1 and .forks[0].settle == null
		and .forks[0].error == \"acknowledged, but not settled within $limit s\""
}

# --- what goes wrong ---------------------------------------------------------

hook_fails() {
	local said

	said=$(vmfork fork ready --name bad-one --hooks fail --json)
	[ $? = 3 ] && holds "$said" '.acked == 1
		and .forks[0].settle.tasks.hooks == "failed"
		and .forks[0].error == "settled, but hooks: Input/output error"'
}

# The time is over: it is killed with all that it began, and so it is told.
hook_is_killed() {
	local said

	said=$(vmfork fork ready --name hung --hooks fail --hooks-timeout 1 --json)
	[ $? = 3 ] && holds "$said" '.acked == 1
		and .forks[0].settle.tasks.hooks == "failed"
		and .forks[0].error == "settled, but hooks: Connection timed out"' &&
		guest hung-1 "! ps | grep '[1]0-test\|[s]leep 600'"
}

hook_is_ignored() {
	vmfork fork ready --name bad-two
}

# A mail with one wrong attribute, which no vmfork would write by itself.
spoilt() {
	LD_PRELOAD=$BUILD/tests/vm/spoil.so "$VMFORK" fork ready --name spoilt \
		--json
}

check_refused() {
	local said

	said=$(spoilt)
	check "a mail that the guest refuses: partly done" [ $? = 3 ]
	check "the attribute and the reason are named, and soon" holds "$said" "
		.acked == 0 and .failed == 0 and .wall_us < $REFUSED_MS * 1000
		and .forks[0].reached == \"signal\" and .forks[0].settle == null
		and .forks[0].error == \"$REFUSED\""
	check "the fork keeps the network that it had" same "$before" \
		"$(guest_network spoilt-1)"
	check "and its name" same vmfork "$(guest spoilt-1 hostname)"
}

needs tests/vm/spoil.so
boot src || bail "no source"
before=$(guest_network src)
{ put_files && put_hook; } || bail "no files"
make_payloads
vmfork snapshot src ready || bail "no snapshot"

forked=$(vmfork fork ready -n 2 --name web --hostname 'h-{name}' \
	--dns 10.231.0.1 --dns fd00::53 --search a.example --search b.example \
	--payload-dir "$notes/payloads" --hooks fail --hooks-timeout 20 --json)
check "forks that are told much" [ $? = 0 ]
check "the record says what became of it" holds "$forked" "$contract"
check "each has a machine id of its own" holds "$forked" \
	'[.forks[].machine_id] | unique | length == 2'
for vm in web-1 web-2; do
	for what in hostname hosts resolv machine_id payload; do
		check "$vm has its $what" "has_$what" $vm
	done
done
check "the payload stands in no file" payload_is_gone
for vm in web-1 web-2; do
	check "$vm: the payload is nowhere in the agent's memory" \
		payload_is_erased $vm
done
check "nobody waits" waits none '.reached == "resumed" and .settle == null'
check "and the fork settles all the same" settles_by_itself slow-none-1
check "waiting for the network alone" waits network \
	'.reached == "acked" and .settle == null and .timeline_us.settled == null'
check "waiting for all of it" waits_for_hooks
check "but no longer than is allowed" gives_up
check "a hook that fails, where that counts" hook_fails
check "and where it does not" hook_is_ignored
check "one that does not end" hook_is_killed
check_refused
check "the source keeps its name" same vmfork "$(guest src hostname)"
done_testing
