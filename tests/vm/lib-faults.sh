# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What tests share that cut branches of a VM, "src", short.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2034 # for those who source this
MODES="live diff full"
GOES_ON_MS=1000
GOES_ON_STEPS=10 # on the way, each of which waits for its turn where others run
forked= # one of a killed command was
worst_ms=0
source_ip= # of src

# --- what has to hold --------------------------------------------------------

# What is sent to a VM that is paused is answered when it goes on.
answer_ms() {
	local began=${EPOCHREALTIME/./}

	ping -4 -n -q -c 1 -W 10 "$source_ip" >/dev/null || {
		echo "the source does not answer" >&2
		return 1
	}
	echo $(((${EPOCHREALTIME/./} - began) / 1000))
}

# Within a second; on a loaded machine, a step takes what an answer does that
# nothing is in the way of.
goes_on() {
	local ms calm_ms

	ms=$(answer_ms) || return
	[ "$ms" -le "$worst_ms" ] || worst_ms=$ms
	[ "$ms" -gt "$GOES_ON_MS" ] || return 0
	calm_ms=$(answer_ms) || return
	echo "the source went on after $ms ms; another answer took $calm_ms"
	[ "$ms" -le $((GOES_ON_MS + GOES_ON_STEPS * calm_ms)) ]
}

status_of() { # SNAPSHOT: ready, writing, broken or none
	vmfork snapshots --json | jq -er --arg name "$1" \
		'[.[] | select(.name == $name) | .status][0] // "none"'
}

is_settled() { # SNAPSHOT
	status=$(status_of "$1") && [ "$status" != writing ]
}

is_of_one_line() { # TEXT: of an error, a hint aside
	[ "$(grep -c '^vmfork: ' <<<"$1")" -ge 1 ] &&
		[ "$(grep -vc '^vmfork: hint: ' <<<"$1")" = 1 ]
}

# Only a whole one is ready: it can be forked. The manifest of a ready one verifies,
# with the sizes of all files, so one fork in each mode is enough.
is_forkable() { # SNAPSHOT
	forked=1
	vmfork fork "$1" --name whole --json | jq -e '.acked == 1' >/dev/null &&
		vmfork stop whole-1 >/dev/null
}

# One that was not promised to anybody is ready, or there is none.
all_or_nothing() { # STATUS_OF_COMMAND
	is_settled cut || return
	echo "cut: $status"
	case $1,$status in
	0,ready) ;;
	137,ready) [ -n "$forked" ] || is_forkable cut || return ;;
	*,none) return ;;
	*) return 1 ;;
	esac
	vmfork rmi cut
}

is_promised() {
	is_settled cut && [ "$status" != none ]
}

is_refused() { # PATTERN
	broken=$((broken + 1))
	says 1 "could not be finished: .*$1" "$VMFORK" fork cut
}

# What was promised is ready, or known as broken.
kept_or_refused() { # PATTERN: of why it is broken
	retry_until 30 is_promised || return
	echo "cut: $status"
	case $status in
	ready) [ -n "$forked" ] || is_forkable cut ;;
	broken) vmfork gc && is_refused "$1" ;;
	esac && vmfork rmi cut
}
