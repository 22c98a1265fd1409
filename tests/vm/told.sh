#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2
# time: 180
#
# What forks are told beside their network: what their guests make of it, what
# the host reports, how long it waits, and what it says where a guest refuses.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

SECRET=qfx7-payload-of
REFUSED_MS=20000 # a third of the time for which the command would wait

make_payloads() {
	mkdir "$notes/payloads"
	for name in web-1 web-2; do
		printf '%s %s' $SECRET $name >"$notes/payloads/$name"
	done
}

# --- in the guest ------------------------------------------------------------

has_hostname() { # VM
	same "h-$1" "$(guest "$1" hostname)"
}

# --- on the host -------------------------------------------------------------

contract='.forks | all(
	(.hostname == "h-" + .name)
	and (.machine_id | test("^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$"))
	and (.settle | keys == ["clock", "killed", "reseed", "reseed_window_us",
		"skew_after_us", "skew_before_us", "tasks"]
	and (.tasks | keys - ["clock", "hooks", "hostname", "hosts",
		"machine-id", "notify", "payload", "resolv", "tcp", "thaw"] == []
		and length == 10
		and all(. == "done" or . == "none"))
	and .reseed == "done"
	and .killed == 0))'

# It stands in no file that others can read, nor in any record.
payload_is_kept() {
	local file

	same '' "$(grep -rlF --include="*.json" "$SECRET" "$STATE")" || return
	for file in "$STATE"/vms/web-*/mail; do
		[ "$(stat -c %a "$file")" = 600 ] && grep -q "$SECRET" "$file" ||
			return
	done
}

# --- waiting -----------------------------------------------------------------

# Each comes back with no more than it was told to wait for.
waits() { # WHAT FILTER
	local said

	said=$(vmfork fork ready --name "lazy-$1" --wait "$1" --json) || return
	holds "$said" ".forks[0] | .error == null and $2"
}

# --- what goes wrong ---------------------------------------------------------

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
		and .forks[0].error == \"the guest refused its mail: hostname: a character that may not be there\""
	check "the fork keeps the network that it had" same "$before" \
		"$(guest_network spoilt-1)"
	check "and its name" same vmfork "$(guest spoilt-1 hostname)"
}

[ -e "$BUILD/tests/vm/spoil.so" ] || skip_all "spoil.so is not built"
boot src || bail "no source"
before=$(guest_network src)
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
	check "$vm has its host name" has_hostname $vm
done
check "the payload stands in no record" payload_is_kept
check "nobody waits" waits none '.reached == "resumed" and .settle == null'
check "waiting for the network alone" waits network \
	'.reached == "acked" and .settle == null and .timeline_us.settled == null'
check_refused
check "the source keeps its name" same vmfork "$(guest src hostname)"
done_testing
