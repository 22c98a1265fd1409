#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 (7.2)
# time: 900
#
# Many forks of one snapshot: none is another's double, in anything. 12 of them,
# LONG=1: 100, all alive together, made so many at once as two processors can
# bring up in reasonable time. Each tells for itself, over its new network, once its own
# `vmfork-agent wait` has returned: all that makes it up, a random number drawn
# right then, and the first one that its workload drew after the snapshot.
#
#	src: a workload that draws all the time, frozen around the snapshot
#	ready-1 ... ready-N: its forks; the host listens on the gateway
# shellcheck source=tests/vm/lib-watch.sh
. "$(dirname "$0")/lib-watch.sh"

FORKS=${LONG:+100}
FORKS=${FORKS:-12}
PORT=4242
DRAW_MS=20
WAVE=10

# What a fork says, in one line; its payload says when the snapshot was taken, and
# which port listens.
cat >"$notes/tell" <<'END'
#!/bin/sh
read -r paused port </run/vmfork/payload
set -- $(hostname) $(cat /sys/class/net/eth0/address) \
	$(ip -o -4 addr show dev eth0 | awk '{ print $4 }') \
	$(ip -o -6 addr show dev eth0 scope global | awk '{ print $4 }') \
	$(cat /etc/machine-id /proc/sys/kernel/random/boot_id) \
	$(od -An -N16 -tx8 /dev/urandom | tr -d ' ') \
	$(awk -v paused=$paused '$1 + 0 > paused + 0 { print $2; exit }' /tmp/drawn)
# its work is done: the others need the processor
killall draw
echo $* | nc $(ip route | sed -n 's/^default via \([^ ]*\).*/\1/p') $port
END

listen_for_forks() {
	busybox nc -ll -p "$PORT" -e sh -c "cat >>$notes/told" </dev/null &
	listener=$!
	: >"$notes/told"
	retry_until 10 listens
}

listens() {
	ss -Hltn "sport = :$PORT" | grep -q .
}

have_told() { # NUMBER
	[ "$(wc -l <"$notes/told")" = "$1" ]
}

# All forks, wave by wave: what the commands said of them, as one array.
fork_all() {
	local num=0 said

	: >"$notes/said"
	while [ "$num" -lt "$FORKS" ]; do
		said=$(vmfork fork ready -n $((FORKS - num < WAVE ? FORKS - num : WAVE)) \
			--payload "$notes/payload" --json) || return
		jq '.forks[]' <<<"$said" >>"$notes/said"
		num=$(jq -s length "$notes/said")
		retry_until 120 have_told "$num" || return
	done
}

distribution() { # NAME FILTER, of each fork
	jq -sc "[.[] | $2] | sort | {$1: {p50: .[length / 2 | floor], max: .[-1]}}" \
		"$notes/said"
}

COLUMNS_TOLD='hostname MAC IPv4 IPv6 machine-id boot-id getrandom-after-wait
first-drawn'

# Is that column whole, and no two lines the same in it?
distinct() { # COLUMN
	[ "$(awk -v n="$1" 'NF == 8 { print $n }' "$notes/told" | sort -u |
		wc -l)" = "$FORKS" ]
}

end_test() {
	nothing_of_test 2>/dev/null
	[ -z "${listener:-}" ] || kill "$listener" 2>/dev/null
	cleanup
}

needs tests/vm/guest/draw
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$STATE/initrd" \
	--add "/bin/draw=$BUILD/tests/vm/guest/draw" \
	--add "/bin/tell=$notes/tell" || bail "no initramfs"
trap end_test EXIT
boot src --initrd "$STATE/initrd" \
	--append 'console=ttyS0 quiet vmfork.agent=--freeze,load' ||
	bail "no source"
identity src
guest src "tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
mkdir /sys/fs/cgroup/load
(echo 0 >/sys/fs/cgroup/load/cgroup.procs; exec draw /tmp/drawn $DRAW_MS) &
vmfork-agent wait --settled --exec sh /bin/tell </dev/null >/dev/null 2>&1 &
" || bail "no workload"
retry_until 20 guest src '[ -s /tmp/drawn ] && pidof vmfork-agent | grep -q " "' ||
	bail "the workload does not run"
check "a snapshot" vmfork snapshot src ready
jq -r ".clock | \"\(.guest_monotonic_ns - .monotonic_error_us * 1000) $PORT\"" \
	"$STATE/snapshots/ready/manifest.json" >"$notes/payload"
listen_for_forks || bail "nobody listens"
watch_parent || bail "the test's own rules are refused"

check "all $FORKS forks settle and tell" fork_all
forked=$(jq -s . "$notes/said")
check "nothing went wrong in any" holds "$forked" "length == $FORKS
	and all(.[]; .reached == \"settled\" and .error == null)"
distribution acked_after_resume_us '.timeline_us | .acked - .resumed'
distribution reseed_window_us .settle.reseed_window_us
column=0
for name in $COLUMNS_TOLD; do
	column=$((column + 1))
	check "each has a $name of its own" distinct $column
done
check "what they are is what the host said of them" same \
	"$(jq -r '.[] | "\(.name) \(.mac) \(.ipv4) \(.ipv6) \(.machine_id)"' \
		<<<"$forked" | sort)" \
	"$(cut -d ' ' -f 1-5 "$notes/told" | sort)"
echo "$(counted lies) of $(counted frames) frames bear the parent's MAC or address"
check "they are heard" test "$(counted frames)" -ge $((2 * FORKS))
check "no frame bears the parent's MAC or address" test "$(counted lies)" = 0
done_testing
