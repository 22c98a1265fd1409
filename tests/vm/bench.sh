#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 800
#
# The benchmarks run through and say what they should. Their figures are not
# judged here, for tests run on machines that are busy elsewhere.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

N=3 # samples of each variant
FEW=2

# The contract of `bench --json`.
# shellcheck disable=SC2016 # jq's variables
contract='
def us: type == "number" and . >= 0 and . == floor;
(keys == ["ratios", "retaken", "targets", "variants"])
and (.variants | length) == $variants and (.ratios | length) == $ratios
and (.variants | all(
	(keys == ["max_us", "mean_us", "min_us", "n", "name", "p50_us",
		"p90_us", "p99_us"])
	and (.name | type) == "string" and .n == $n
	and ([.mean_us, .min_us, .p50_us, .p90_us, .p99_us, .max_us]
		| all(us)) and .min_us > 0 and .min_us <= .mean_us
	and .mean_us <= .max_us
	and ([.min_us, .p50_us, .p90_us, .p99_us, .max_us] | . == sort)))
and (.ratios | all(.p50 > 0 and .allowed > 0 and (.name | length) > 0))
and ([.variants[].name] | unique | length) == $variants'

# The first sample of each is in the rows, and in nothing else. 3 says that a
# ratio is larger than it should be, and only that.
runs_through() { # KIND N VARIANTS RATIOS
	local report rc met

	report=$(vmfork bench "$1" ready -n "$2" --csv "$notes/$1.csv" --json)
	rc=$?
	echo "$report"
	jq -e --argjson n $(($2 - 1)) --argjson variants "$3" --argjson ratios "$4" \
		"$contract" <<<"$report" >/dev/null || return
	met=$(jq '.ratios | all(.p50 <= .allowed)' <<<"$report")
	case $rc in
	0) [ "$met" = true ] ;;
	3) [ "$met" = false ] ;;
	*) false ;;
	esac
}

rows_are_there() { # KIND N VARIANTS
	[ "$(head -n 1 "$notes/$1.csv")" = variant,iteration,us ] &&
		[ "$(tail -n +2 "$notes/$1.csv" |
			grep -cE ',[0-9]+,[1-9][0-9]*$')" = $(($2 * $3)) ]
}

prints_a_table() {
	local text rc

	text=$(vmfork bench start layer -n 1)
	rc=$?
	echo "$text"
	[[ $rc = [03] ]] && [ "$(wc -l <<<"$text")" = 4 ] &&
		grep -q '^VARIANT .*P50/MS' <<<"$text" &&
		grep -qE ': [0-9.]+ \(at most [0-9.]+\)$' <<<"$text"
}

# --- burst -------------------------------------------------------------------

# The contract of `bench burst --json`: each variant of each size, once. Only who
# is waited for has acked; only forks have anything to be ended.
# shellcheck disable=SC2016 # jq's variables
burst_contract='
def spread: (keys == ["max", "mean", "min", "n", "p50", "p90", "p99"])
	and .n == 1 and .min > 0 and .min == .max and .p50 == .mean;
def rise(a; b; c): (a | spread) and (b | spread) and (c | spread)
	and a.p50 <= b.p50 and b.p50 <= c.p50;
(keys == ["cores", "method", "targets", "variants"]) and .cores >= 1
and ([.variants[] | "\(.n) \(.variant)"] | sort) == ([("1", "4") as $n
	| ("at-once", "floor", "fork", "none", "pool", "pool-none")
	| "\($n) \(.)"] | sort)
and (.cores as $cores | (.variants[] | select(.n == 1 and .variant == "fork")
	| .cpu_acked_us.p50) as $alone
	| .variants | all(.ideal_us == (.n * $alone / $cores | floor)))
and (.variants | all(
	rise(.resumed_p50_us; .resumed_p90_us; .resumed_max_us)
	and .resumed_max_us.p50 <= .wall_us.p50
	and ([.wall_us, .cpu_engines_us, .cpu_command_us, .private_bytes,
		.shared_bytes, .faults_minor] | all(spread))
	and (if .variant == "floor" then has("end_us") | not
		else .end_us | spread end)
	and (if .variant == "fork" or .variant == "at-once" or .variant == "pool"
		then rise(.acked_p50_us; .acked_p90_us; .acked_max_us)
			and .resumed_max_us.p50 < .acked_max_us.p50
			and (.cpu_acked_us | spread)
			and .cpu_acked_us.p50 <= .cpu_engines_us.p50
		else (has("acked_p50_us") or has("cpu_acked_us")) | not end)))
and (.targets | length > 0 and all(.value > 0 and (.name | length) > 0
	and .met == (if .allowed == null then null else .value <= .allowed end)))'

burst_runs_through() {
	local report rc met

	report=$(timeout 300 "$VMFORK" bench burst ready -n 1,4 --iterations 1 \
		--compare floor --at-once --pool --csv "$notes/burst.csv" --json)
	rc=$?
	echo "$report"
	jq -e "$burst_contract" <<<"$report" >/dev/null || return
	met=$(jq '.targets | all(.met != false)' <<<"$report")
	case $rc in
	0) [ "$met" = true ] ;;
	3) [ "$met" = false ] ;;
	*) false ;;
	esac
}

# The first of each at the first size, then one of each.
burst_rows_are_there() {
	[ "$(head -n 1 "$notes/burst.csv" | cut -d , -f 1-4)" = \
		n,variant,iteration,wall_us ] &&
		[ "$(awk -F, 'NR > 1 && NF == 18 && $4 > 0 && $7 > 0' \
			"$notes/burst.csv" | wc -l)" = 18 ] &&
		[ "$(grep -c ',0,' <(cut -d , -f 1-4 "$notes/burst.csv"))" = 6 ]
}

pool_is_refused() {
	vmfork pool fill ready || return
	says 1 'ready has a pool' "$VMFORK" bench burst ready -n 1 --iterations 1
	local rc=$?

	[ "$(vmfork pool ls --json | jq length)" = 1 ] &&
		vmfork pool drain ready && return "$rc"
}

# --- ack ---------------------------------------------------------------------

# The contract of `bench ack --json`: two variants of one guest, two samples of
# three each. What a fork takes is made of parts that follow one another, the
# guest's as exact as is said; what the host sees comes after what the guest notes.
# shellcheck disable=SC2016 # jq's variables
ack_contract='
def spread: (keys == ["max", "mean", "min", "n", "p50", "p90", "p99"])
	and .n == 2 and .min >= 0 and .min <= .mean and .mean <= .max
	and ([.min, .p50, .p90, .p99, .max] | . == sort);
(keys == ["accel", "method", "missing", "targets", "variants"])
and ([.variants[].name] == ["auto", "auto, armed"])
and ([.variants[].armed] == [false, true])
and .missing == [{name: "mailbox", why: "there is no /dev/vmfork"},
	{name: "mailbox, armed", why: "there is no /dev/vmfork"}]
and (.variants | all(
	.n == 2 and .failed == 0 and .kind == "auto" and .prefetch == "auto"
	and (.cold | not) and .spun_us == (if .armed then .spun_us else null end)
	and ([.told[]] | add) == 2
	and .first.reconfigure_us > 0
	and ([.total_us, .reconfigure_us, .signal_us, .mail_us, .apply_us,
		.ack_us, .clock_error_us, .cpu_acked_us, .faults_minor]
		| all(spread))
	and .reconfigure_us.max < .total_us.max
	and .signal_us.min <= .mail_us.min and .mail_us.max < .reconfigure_us.max
	and .apply_us.min > 0
	and .apply_us.max + .ack_us.min < .reconfigure_us.max + .clock_error_us.max
	and .mail_us.min < .seen_us.min + .clock_error_us.max))
and (.targets | length > 0 and all(.value > 0 and (.name | length) > 0
	and .met == (if .allowed == null then null else .value <= .allowed end)))'

ack_runs_through() {
	local report rc met

	report=$(timeout 500 "$VMFORK" bench ack --signal mailbox,auto -n 2 \
		--arm off,on --csv "$notes/ack.csv" --json)
	rc=$?
	echo "$report"
	jq -e "$ack_contract" <<<"$report" >/dev/null || return
	met=$(jq '.targets | all(.met != false)' <<<"$report")
	case $rc in
	0) [ "$met" = true ] ;;
	3) [ "$met" = false ] ;;
	*) false ;;
	esac
}

# Parts of each fork add up to the whole, but for microseconds of rounding.
ack_rows_are_there() {
	[ "$(head -n 1 "$notes/ack.csv" | cut -d , -f 1-5)" = \
		variant,iteration,signal,total_us,reconfigure_us ] &&
		[ "$(sed 's/^"[^"]*",//' "$notes/ack.csv" | awk -F, '
			NR > 1 { off = $4 - $6 - $7 - $8 }
			NR > 1 && NF == 16 && $3 > $4 && off * off <= 25
			' | wc -l)" = 6 ]
}

interrupted() {
	signalled INT 3 bench ack ready -n 1000
	[ $? = 1 ] && grep -q '^vmfork: interrupted$' "$notes/out"
}

# Whether it is armed stands in its manifest. The machine may be too busy for a target.
given_is_described() {
	local armed report rc

	armed=$(jq .armed "$STATE/snapshots/ready/manifest.json") || return
	report=$(vmfork bench ack ready -n 1 --json)
	rc=$?
	[[ $rc = [03] ]] && jq -e --argjson armed "$armed" '.variants | length == 1
		and (.[0] | .n == 1 and .failed == 0 and .armed == $armed)' <<<"$report"
}

# --- pause -------------------------------------------------------------------

# The contract of `bench pause --json`: each mode on both kinds of sources, two
# samples of three. A pause is part of the time that the command took; a guest
# that stands still for long is seen to do so by who watches it.
# shellcheck disable=SC2016 # jq's variables
pause_contract='
def spread: (keys == ["max", "mean", "min", "n", "p50", "p90", "p99"])
	and .n == 2 and .min >= 0 and .min <= .mean and .mean <= .max
	and ([.min, .p50, .p90, .p99, .max] | . == sort);
(keys == ["method", "variants"]) and (.variants | length) == 10
and ([.variants[] | "\(.source) \(.mode)"] | unique | length) == 10
and (.variants | all(
	.memory_mib == 256 and .fill_mib == 64 and .workload == "steady"
	and .dirty_mib == (if .source == "fork" then 4 else 0 end)
	and ([.pause_us, .gap_us, .calm_us, .blind_us, .round_trip_us,
		.ready_us, .private_bytes, .bytes_written] | all(spread))
	and .pause_us.min > 0 and .pause_us.max < .ready_us.max
	and .round_trip_us.min <= .ready_us.min
	and (.mode != "full" or .gap_us.min > .pause_us.min / 2)
	and .taken == ({"live-sync": "live", "live-async": "live",
		"auto": (if .source == "fork" then "diff" else "live" end)
		}[.mode] // .mode)
	and .private_bytes.min > (if .source == "fork" then 4 else 64 end) * 1048576
	and .bytes_written.min > 0))
and (.variants | map(select(.source == "fork" and .mode == "diff"))
	| all(.bytes_written.max < 64 * 1048576))'

pause_runs_through() {
	local report

	report=$(timeout 400 "$VMFORK" bench pause -n 2 --fill 64 --dirty 4 \
		--workload steady --rate 4 --csv "$notes/pause.csv" --json) ||
		return
	echo "$report"
	jq -e "$pause_contract" <<<"$report" >/dev/null
}

pause_rows_are_there() {
	[ "$(wc -l <"$notes/pause.csv")" = 31 ] &&
		[ "$(awk -F, 'NR > 1 && NF == 17 && $9 > 0 && $15 == ""' \
			"$notes/pause.csv" | wc -l)" = 30 ]
}

# Without gnuplot that is said at once, before anything is measured.
plot_is_refused() {
	says 1 "gnuplot does not run" env PATH="$notes" \
		"$VMFORK" bench pause --plot "$notes/pause.svg"
}

boot src || bail "no source"
vmfork snapshot src ready || bail "no snapshot"
vmfork fork ready --name other >/dev/null || bail "no fork"
vmfork snapshot other-1 layer --mode diff || bail "no layer"
vmfork stop other-1 >/dev/null
note_state
check "start runs through" runs_through start $N 2 1
check "its rows are kept" rows_are_there start $N 2
check "apply runs through" runs_through apply $FEW 5 3
check "its rows are kept" rows_are_there apply $FEW 5
check "without --json, a table; also of a layer" prints_a_table
check "nothing is left of that" left_nothing
check_fails "a benchmark that nobody knows" 2 '^vmfork: ' vmfork bench dance ready
check_fails "a snapshot that is not there" 1 'nosuch: does not exist' \
	vmfork bench start nosuch
check "the source has not noticed" reachable src
check "burst runs through" burst_runs_through
check "its rows are kept" burst_rows_are_there
check "a pool would be taken for cold" pool_is_refused
check_fails "a burst of none" 2 'bench: --number 0: not 1 to' \
	vmfork bench burst ready -n 4,0
check_fails "a wait that nobody knows" 2 "bench: --wait 'sleep': not one of" \
	vmfork bench burst ready --wait sleep
check_fails "all at once, but nobody waits" 2 'bench: --at-once: nobody waits' \
	vmfork bench burst ready --wait none --at-once
check_fails "no snapshot to fork" 1 'nosuch: does not exist' \
	vmfork bench burst nosuch -n 1
check "nothing is left of that" left_nothing
vmfork stop src >/dev/null
note_state
check "ack runs through" ack_runs_through
check "its rows are kept, and their parts add up" ack_rows_are_there
check "one that is interrupted ends" interrupted
check "a snapshot that is given is what its manifest says" given_is_described
check_fails "a signal that nobody knows" 2 "bench: --signal 'bell': not one of" \
	vmfork bench ack --signal auto,bell
check_fails "a snapshot's signal is its own" 2 'bench: --signal: a snapshot' \
	vmfork bench ack ready --signal auto
check_fails "cold forks of an image in memory" 1 'ready: .*memory' \
	vmfork bench ack ready --cold -n 1
check_fails "or of sources of its own" 1 '^vmfork: snapshots lie in memory' \
	vmfork bench ack --signal auto --cold -n 1
check_fails "words that would be cut off" 1 '^vmfork: --append: with what' \
	vmfork bench ack --signal vmgenid -n 1 --append "$(printf '%1000d' 0)"
check "nothing is left of that" left_nothing
check "pause runs through" pause_runs_through
check "its rows are kept" pause_rows_are_there
check "nothing is left of that" left_nothing
check_fails "a mode that nobody knows" 2 "bench: --mode 'sleep'" \
	vmfork bench pause --mode full,sleep
check_fails "more to be written than there is" 2 'bench: --memory 256: too small' \
	vmfork bench pause --dirty 10,200
check "without gnuplot, no plot" plot_is_refused
done_testing
