#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 400
#
# Rates: a fork carries what it was given, measured at its TAP and in its guest; its
# acknowledgement does not wait for that, and nothing is left of it.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# An emulated guest on a busy machine is no faster than a few mbit itself.
IN_BITS=1000000
OUT_BITS=600000
WINDOW_S=3

# What passed a token bucket so far.
passed_bytes() { # LINK
	tc -s -j qdisc show dev "$1" | jq '.[] | select(.kind == "tbf") | .bytes'
}

# The rate over a while, within a fifth of what it has to be; a machine that is busy
# with other things may need another try to be fast enough, none to be too fast.
carries() { # LINK BITS
	local from at bytes bits

	for _ in 1 2 3 4 5 6 7 8; do
		from=$(date +%s%N)
		bytes=$(passed_bytes "$1")
		sleep "$WINDOW_S"
		bytes=$(($(passed_bytes "$1") - bytes))
		at=$(date +%s%N)
		bits=$((bytes * 8 * 1000 / ((at - from) / 1000000)))
		echo "$1: $bits of $2 bits per second"
		[ "$bits" -le $(($2 * 12 / 10)) ] || return 1
		[ "$bits" -lt $(($2 * 8 / 10)) ] || return 0
	done
	return 1
}

# More than any guest takes within the test, until its reader ends it.
flood() { # ADDRESS PORT
	exec timeout 120 head -c 100M /dev/zero >"/dev/tcp/${1%/*}/$2"
}

floods() {
	flood "$ip" 5001 &
	flooder=$!
	carries "$tap" "$IN_BITS"
}

# A sender ends as soon as the other side has nothing more to say.
pours() {
	timeout 120 busybox nc -l -p 5002 <>"$notes/never" >"$notes/poured" &
	listener=$!
	guest web-1 "(dd if=/dev/zero bs=16k count=4000 |
		nc $gateway 5002) >/dev/null 2>&1 </dev/null &"
	carries "${tap}i" "$OUT_BITS"
}

has_bucket() { # LINK
	[ -n "$(passed_bytes "$1")" ]
}

no_bucket() { # LINK
	[ -z "$(passed_bytes "$1")" ] && [ -z "$(tc filter show dev "$1" ingress)" ]
}

# What a killed command leaves; one that was over before is ended as any.
gc_restores_after() { # STATUS VM...
	if [ "$1" = 0 ]; then
		vmfork stop "${@:2}" || return
	fi
	gc_restores
}

one_is_limited() {
	ip -br link | grep -q '^vf[0-9a-f]\{6\}i '
}

boot src --rate-in 50mbit || bail "no source"
src_tap=$(vm_field src .tap)
check "run: a rate is applied" holds "$(vmfork inspect src --json)" \
	'.shaping == "applied" and .links[0].rate_in == 50000000 and .links[0].rate_out == null'
check "run: it is there" has_bucket "$src_tap"
vmfork snapshot src ready || bail "no snapshot"
note_state

said=$(vmfork fork ready -n 3 --name web --json --trace "$notes/t" \
	--rate-in "$IN_BITS" --rate-out 0.6mbit)
check "fork with rates: exit status 0" [ $? = 0 ]
check "the record tells" holds "$said" '.forks | all(.shaping == "applied"
	and (.links[0] | .rate_in == 1000000 and .rate_out == 600000 and .shaping == "applied"))'
check "after the acknowledgement" holds "$said" '.forks | all(
	.began_us.shaped >= .timeline_us.acked and .timeline_us.shaped >= .began_us.shaped)'
check "one after the other" holds "$said" '[.forks[] | [.began_us.shaped, .timeline_us.shaped]]
	| sort | .[0][1] <= .[1][0] and .[1][1] <= .[2][0]'
# shellcheck disable=SC2016 # jq's variables
check "the trace shows it" holds "$(cat "$notes/t")" '.traceEvents as $e
	| [$e[] | select(.name == "shaped" and .ph == "X")] | length == 3 and all(. as $s
	| [$e[] | select(.pid == $s.pid and .name == "acked")][0] | .ts + .dur <= $s.ts)'
check "ps shows it" holds "$(vmfork ps --json)" \
	'[.[] | select(.snapshot == "ready") | .shaping] == ["applied", "applied", "applied"]'
check "inspect shows it" grep -q 'shaping applied' <<<"$(vmfork inspect web-1)"

ip=$(vm_field web-1 .ipv4)
tap=$(vm_field web-1 .tap)
gateway=$(vmfork net ls --json | jq -r '.[0].ipv4 | split("/")[0]')
answers web-1
guest web-1 '(nc -l -p 5001 | wc -c >/tmp/got) >/dev/null 2>&1 </dev/null &'
check "a listener" retry_until 20 guest web-1 'netstat -ltn | grep -q :5001'
check "to the guest it carries its rate" floods
kill "$flooder" 2>/dev/null
wait "$flooder" 2>/dev/null
# shellcheck disable=SC2016 # the guest's
check "all of which the guest got" retry_until 20 guest web-1 \
	'[ "$(cat /tmp/got)" -gt '$((IN_BITS * WINDOW_S / 16))' ]'
check "from the guest it carries its rate" pours
check "all of which the host got" \
	[ "$(stat -c %s "$notes/poured")" -gt $((OUT_BITS * WINDOW_S / 16)) ]
kill "$listener" 2>/dev/null
wait "$listener" 2>/dev/null
check "it is reached all the same" reachable web-2
check "its source has what it had" holds "$(vmfork ps --json)" \
	'.[] | select(.name == "src") | .shaping == "applied" and .links[0].rate_out == null'
check "and no more" [ -z "$(tc filter show dev "$src_tap" ingress)" ]

vmfork stop web-1 web-2 web-3
check "nothing is left of their rates" left_nothing
free=$(vmfork fork ready --name free --json)
check "a fork has no rates of its source" holds "$free" '.forks[0].shaping == null
	and .forks[0].links[0].rate_in == null and .forks[0].timeline_us.shaped == null'
check "nor has its TAP" no_bucket "$(field "$free" '.forks[0].tap')"

none=$(vmfork fork ready -n 2 --name none --wait none --rate-out 1gbit --json)
check "who does not wait has them too" holds "$none" '.forks | all(.shaping == "applied"
	and .began_us.shaped >= .timeline_us.resumed)'
tap=$(field "$none" '.forks[0].tap')
check "one way only" [ -z "$(passed_bytes "$tap")" ]
check "and that way it is there" has_bucket "${tap}i"
vmfork stop --all >/dev/null
boot src || bail "no source again"
note_state
signalled KILL 0.2 fork ready -n 3 --name early --rate-in 10mbit --rate-out 10mbit
check "killed before any is limited: nothing is left" \
	gc_restores_after $? early-1 early-2 early-3
"$VMFORK" fork ready -n 6 --name late --rate-in 10mbit --rate-out 10mbit \
	>"$notes/out" 2>&1 </dev/null &
fork=$!
check "one is limited" retry_until 60 one_is_limited
kill -KILL $fork
wait $fork
check "killed before all are: nothing is left either" \
	gc_restores_after $? late-1 late-2 late-3 late-4 late-5 late-6

check "no rate at all is refused" \
	says 2 "rate-in 'fast': is no rate" vmfork fork ready --rate-in fast
check "too slow a rate is refused" \
	says 2 "rate-out '1kbit': not 8kbit to 100gbit" vmfork fork ready --rate-out 1kbit
check "run refuses it as well" \
	says 2 "rate-out '-1mbit': is no rate" vmfork run other --rate-out -1mbit
check "rates need no mail" holds \
	"$(vmfork fork ready --name mute --no-mail --rate-in 1mbit --json)" \
	'.forks[0].shaping == "applied"'
done_testing
