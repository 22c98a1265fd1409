#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A table: which signal wakes a fork on which kernel, and how long after its
# resume, in milliseconds.
#
#	signals.sh KERNEL...
#
# FORKS (5) forks are made for each, one after the other; the first is left out
# of the figures, for it finds the host's caches cold. All runs in namespaces of
# its own, as tests do.
set -u

here=$(cd "$(dirname "$0")" && pwd)
FORKS=${FORKS:-5}

# Rows of one kernel, on descriptor 3.
row() { # SIGNAL WORKS TOLD [MIN P50 MAX]
	printf '%-7s %-13s %-7s %8s %8s %8s  %s\n' "$KERNEL" "$1" "$2" \
		"${4:--}" "${5:--}" "${6:--}" "$3" >&3
}

# What became of each fork: its signal, and how long it took to notice.
fork_often() { # SIGNAL
	local n

	for ((n = 0; n < FORKS; n++)); do
		vmfork fork "by-$1" --name "fork-$n" --json | jq -r '.forks[0] |
			select(.reached == "settled" or .reached == "acked") |
			"\(.signal) \(.timeline_us | .signal - .resumed)"'
		vmfork stop "fork-$n-1" >/dev/null
	done
}

figures() { # < lines of SIGNAL MICROSECONDS
	tail -n +2 | awk '{ print $2 }' | sort -n | awk '
		{ ms[NR] = $1 / 1000 }
		END { if (NR) printf "%.1f %.1f %.1f",
			ms[1], ms[int((NR + 1) / 2)], ms[NR] }'
}

measure() { # SIGNAL
	local lines told

	if ! agent_start src "$1"; then
		row "$1" no "$(guest src "tail -n 1 /tmp/agent.$1")"
		return
	fi
	vmfork snapshot src "by-$1" --no-arm >/dev/null || bail "$1: no snapshot"
	lines=$(fork_often "$1")
	told=$(awk '{ print $1 }' <<<"$lines" | sort | uniq -c |
		awk -v of="$FORKS" '{
			printf "%s%s %d of %d", (NR > 1 ? ", " : ""), $2, $1, of
		}')
	# shellcheck disable=SC2046 # three words
	row "$1" "$([ -n "$lines" ] && echo yes || echo no)" \
		"${told:-no fork was acknowledged}" $(figures <<<"$lines")
	vmfork rmi "by-$1" >/dev/null
	agent_stop src || bail "the agent does not end"
}

kernel() {
	# shellcheck source=tests/vm/lib-kmod.sh
	. "$here/../vm/lib-kmod.sh"
	boot_bare src 'vmfork.load=vmfork_mailbox,vmfork_vmclock' ||
		bail "$KERNEL: no source"
	for signal in mailbox vmclock vmclock-spin vmgenid auto; do
		measure "$signal"
	done
	done_testing
}

if [ "${1:-}" = --kernel ]; then
	KERNEL=$2
	ip link set lo up
	kernel
fi
log=${BUILD:-build}/tests/signals-table.log
mkdir -p "$(dirname "$log")"
: >"$log"
unshare=(unshare --net --pid --mount --fork --kill-child --mount-proc)
[ "$(id -u)" = 0 ] || unshare+=(--user --map-root-user)
exec 3>&1
KERNEL=kernel row signal works "what told (or why not)" min p50 max
for k; do
	"${unshare[@]}" "$0" --kernel "$k" >>"$log" 2>&1 &&
		! grep -q '^not ok' "$log" && continue
	tail -n 5 "$log" >&2
	exit 1
done
