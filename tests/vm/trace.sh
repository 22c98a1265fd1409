#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
#
# Where the time of a fork goes: `fork --trace` writes it for a viewer, the record
# keeps it, `inspect` draws it.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

host_stages='["request", "identity", "tap", "bridge", "neighbour"]'
engine_stages='["spawned", "ready", "loaded", "queued", "patched", "resumed"]'
guest_stages='["signal", "mail", "applied", "sent", "acked", "settled"]'

# What all traces have in common: a process for the command and one per fork, each
# with a name; spans that are not negative; a track's spans one after the other, as
# far as the clocks of host and guest agree; no event of a process without a name.
# shellcheck disable=SC2016 # jq's variables
sound='
def spans: map(select(.ph == "X"));
def in_turn: . as $s | [range(1; length)] | all($s[.] as $next | $s[. - 1] as $last
	| $last.ts + $last.dur <= $next.ts + ($next.args.clock_error_us // 0));
(.traceEvents | type == "array") and .displayTimeUnit == "ms"
and (.otherData.wall_us as $wall | .otherData.requested as $n | .traceEvents
	| all(.ph as $ph | ["X", "i", "M", "C"] | index($ph) != null)
	and all([.pid, .tid, .name | type] == ["number", "number", "string"])
	and (map(select(.ph != "M")) | all(.ts >= 0 and .ts <= $wall))
	and (spans | all(.dur >= 0 and .ts + .dur <= $wall))
	and ([.[] | select(.name == "process_name") | .pid] | length == $n + 1 and unique == sort)
	and ([.[] | .pid] | unique | length) == $n + 1
	and (spans | map(select(.pid > 1)) | group_by([.pid, .tid]) | all(sort_by(.ts) | in_turn)))'

# The stages on one track of each fork, in their order.
tracks_have() { # FILE TRACK STAGES
	jq -e --arg track "$2" --argjson want "$3" '.traceEvents as $e
		| [$e[] | select(.name == "thread_name" and .args.name == $track)]
		| length > 0 and all(. as $t
			| [$e[] | select(.ph == "X" and .pid == $t.pid and .tid == $t.tid)]
			| sort_by(.ts) | map(.name) == $want)' "$1" >/dev/null || {
		echo "track $2 has not $3 in"
		jq -c '.traceEvents[] | select(.ph == "X") | [.pid, .tid, .ts, .name]' "$1"
		return 1
	}
}

# As wide as it may be at most, and with a bar in each line but the first four.
bars() { # WIDTH BAR TEXT
	local bars

	bars=$(tail -n +5 <<<"$3")
	[ "$(wc -l <<<"$bars")" = 17 ] && ! grep -qv "$2\$" <<<"$bars" &&
		! LC_ALL=C.UTF-8 grep -qE "^.{$(($1 + 1))}" <<<"$bars"
}

only_ascii() { # TEXT
	! LC_ALL=C grep -q '[^ -~]' <<<"$1"
}

# Nothing was begun, and nothing is left at the place.
refused() { # PATTERN FILE
	says 1 "$1" vmfork fork ready --trace "$2" &&
		holds "$(vmfork ps --json)" 'length == 1'
}

mode_is() { # MODE FILE
	[ "$(stat -c %a "$2")" = "$1" ]
}

boot src || bail "no source"
vmfork snapshot src ready || bail "no snapshot"
mkdir "$notes/full" "$notes/dir"
mount -t tmpfs -o size=4k none "$notes/full"

check "a directory that is not there is refused" \
	refused 'trace .*/no/t: No such file or directory' "$notes/no/t"
check "a directory is refused" refused 'no regular file' "$notes/dir"
check "a name that is none is refused" refused 'names no file' "$notes/dir/"
check "a device is refused" refused 'no regular file' /dev/full
check "it is a device still" [ -c /dev/full ]
ln -s dir "$notes/link"
check "a link is refused" refused 'no regular file' "$notes/link"
check "what cannot take files is refused" refused 'trace /proc/t: ' /proc/t

echo old >"$notes/t"
said=$(vmfork fork ready -n 3 --name web --json --trace "$notes/t")
check "fork with a trace: exit status 0" [ $? = 0 ]
check "the trace is sound" holds "$(cat "$notes/t")" "$sound"
check "nobody else may read it" mode_is 600 "$notes/t"
check "nothing else is left beside it" [ -z "$(find "$notes" -name '.*')" ]
check "the host's stages" tracks_have "$notes/t" host "$host_stages"
check "the engine's stages" tracks_have "$notes/t" engine "$engine_stages"
check "the guest's stages" tracks_have "$notes/t" guest "$guest_stages"
check "each fork is a process of its name" holds "$(cat "$notes/t")" \
	'[.traceEvents[] | select(.name == "process_name") | .args.name]
	== ["vmfork fork ready", "web-1", "web-2", "web-3"]'
check "the command's own stages" holds "$(cat "$notes/t")" \
	'[.traceEvents[] | select(.pid == 1 and .ph == "X") | .name]
	| contains(["fork", "networks", "identities", "taps", "ports", "listen", "verify"])'
check "outcomes, with the engine's page faults" holds "$(cat "$notes/t")" \
	'[.traceEvents[] | select(.ph == "i" and .name == "acknowledged") | .args]
	| length == 3 and all(.pid > 0 and .faults_minor > 0 and .faults_major >= 0)'
check "how many are resumed and not heard" holds "$(cat "$notes/t")" \
	'[.traceEvents[] | select(.ph == "C") | .args.forks]
	| length == 6 and min == 0 and .[-1] == 0 and max >= 1 and max <= 3'
check "trace and record say the same" same \
	"$(field "$said" '[.forks[].timeline_us.acked] | tostring')" \
	"$(jq -c '[.traceEvents[] | select(.name == "acked") | .ts + .dur]' "$notes/t")"
# shellcheck disable=SC2016 # jq's variables
check "each stage that ended has begun, not after its end" holds "$said" '
	.forks | all(.began_us as $from | .timeline_us | ($from | keys) == keys
	and (to_entries | all(if .value == null then $from[.key] == null
		else $from[.key] >= 0 and $from[.key] <= .value end)))'
check "bridge and neighbours are ready before it is its turn" holds "$said" '
	.forks | all(.timeline_us | .bridge <= .neighbour and .neighbour <= .queued
	and .queued <= .patched and .shaped == null)'

text=$(COLUMNS=100 LC_ALL=C vmfork inspect web-2)
check "inspect draws bars" bars 100 '#' "$text"
check "in plain ASCII, where the locale has no more" only_ascii "$text"
check "it says who that is" grep -q '^web-2: running, fork of ready' <<<"$text"
check "inspect draws blocks, where the locale has them" bars 60 '[▏▎▍▌▋▊▉█]' \
	"$(COLUMNS=60 LC_ALL=C.UTF-8 vmfork inspect web-2)"
check "a width that is none is none" bars 80 '#' \
	"$(COLUMNS=-3x LC_ALL=C vmfork inspect web-2)"
check "inspect --json keeps the numbers" same \
	"$(jq -S '.forks[1]' <<<"$said")" \
	"$(vmfork inspect web-2 --json | jq -S .fork)"
check "what is no fork has no bars" holds "$(vmfork inspect src)" '.name == "src"'

check "datagrams of stages are not asked for" holds "$said" \
	'all(.forks[]; .stages_us == null)'
staged=$(vmfork fork ready --name staged --stages --json --trace "$notes/s")
# shellcheck disable=SC2016 # jq's variables
check "asked for, each has come, and no stage before it was reached" \
	holds "$staged" '.forks[0] | .clock_error_us as $e | .timeline_us as $at
	| .stages_us | keys == ["acked", "applied", "mail", "settled", "signal"]
	and all(. > 0) and .signal <= .mail and .mail <= .applied
	and .applied <= .acked and .acked <= .settled
	and .applied + $e >= $at.applied and .acked + $e >= $at.acked'
check "and is in the trace" same '["signal","mail","applied","acked","settled"]' \
	"$(jq -c '[.traceEvents[] | select(.name == "datagram") | .args.stage]' \
		"$notes/s")"
check "which is sound" holds "$(cat "$notes/s")" "$sound"
check_fails "of no use where nobody listens" 2 'stages: nobody listens' \
	vmfork fork ready --stages --wait none

vmfork fork ready --name none --wait none --trace "$notes/none"
check "a trace without a guest's answer" holds "$(cat "$notes/none")" "$sound"
check "has no stages of the guest" tracks_have "$notes/none" guest '[]'

check "no room for a trace is said, at the end" says 3 'trace: t: No space left' \
	vmfork fork ready --quiet --name late --trace "$notes/full/t"
check "and nothing of it is left" [ -z "$(ls -A "$notes/full")" ]
umount "$notes/full"
check "the fork runs all the same" holds "$(vmfork inspect late-1 --json)" \
	'.state == "running" and .fork.reached == "settled"'
done_testing
