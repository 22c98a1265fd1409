#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 180
# alone
#
# The benchmarks run through and say what they should. Their figures are not
# judged here, for tests run on machines that are busy elsewhere.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

N=3 # samples of each variant

# The contract of `bench --json`.
# shellcheck disable=SC2016 # jq's variables
contract='
def us: type == "number" and . >= 0 and . == floor;
(keys == ["ratios", "variants"])
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

	text=$(vmfork bench start ready -n 1)
	rc=$?
	echo "$text"
	[[ $rc = [03] ]] && [ "$(wc -l <<<"$text")" = 4 ] &&
		grep -q '^VARIANT .*P50/MS' <<<"$text" &&
		grep -qE ': [0-9.]+ \(at most [0-9.]+\)$' <<<"$text"
}

boot src || bail "no source"
vmfork snapshot src ready || bail "no snapshot"
note_state
check "start runs through" runs_through start $N 2 1
check "its rows are kept" rows_are_there start $N 2
check "apply runs through" runs_through apply $N 4 2
check "its rows are kept" rows_are_there apply $N 4
check "without --json, a table" prints_a_table
check "nothing is left of that" left_nothing
check_fails "a benchmark that nobody knows" 2 '^vmfork: ' vmfork bench dance ready
check_fails "a snapshot that is not there" 1 'nosuch: does not exist' \
	vmfork bench start nosuch
check "the source has not noticed" reachable src
done_testing
