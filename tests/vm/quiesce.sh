#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 (7.2)
# time: 300
# waits
#
# A guest holds still for its snapshot and goes on afterwards: its workload
# frozen, its hooks run, its file systems whole on their disks; whatever becomes
# of the snapshot and of who takes it.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

RECEIVE_PORT=7007
HOLD_S=20 # HOLD_MS in host/core/hold.h

# --- the guest's own part ----------------------------------------------------

# Each hook says when it was called; the second one can be told what to do.
cat >"$notes/first" <<'END'
#!/bin/sh
read -r up rest </proc/uptime
echo "first $1 $up" >>/run/hooks
END
cat >"$notes/second" <<'END'
#!/bin/sh
read -r up rest </proc/uptime
echo "second $1 $up" >>/run/hooks
[ "$1" = prepare ] || exit 0
while [ -e /run/hang ]; do usleep 20000; done
[ ! -e /run/fail ]
END
# It writes to its disk all the time, in a cgroup of its own.
cat >"$notes/workload" <<'END'
#!/bin/sh
mkdir -p /sys/fs/cgroup/load
echo $$ >/sys/fs/cgroup/load/cgroup.procs
i=0
while :; do
	i=$((i + 1))
	echo $i >>/mnt/log
	echo $i >/run/beat.new
	mv /run/beat.new /run/beat
	usleep 10000
done
END

build_guest() {
	local dir=/etc/vmfork/pre-snapshot.d

	truncate -s 4M "$notes/disk" &&
		mkfs.ext4 -q -F "$notes/disk" && gzip -n "$notes/disk" &&
		"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
			--agent "$BUILD/vmfork-agent" --out "$notes/guest" \
			--add "$dir/10-first=$notes/first" \
			--add "$dir/20-second=$notes/second" \
			--add "/bin/workload=$notes/workload" \
			--add "/disk.gz=$notes/disk.gz"
}

begin_workload() {
	guest src 'modprobe loop; gunzip -c /disk.gz >/tmp/disk; mkdir -p /mnt
mount -o loop /tmp/disk /mnt && (setsid workload >/tmp/workload 2>&1 &)' &&
		retry_until 10 guest src '[ -s /run/beat ]'
}

# --- what holds --------------------------------------------------------------

# The workload is not frozen, and gets on with its disk.
goes_on() { # VM
	guest "$1" "$(
		cat <<'END'
(grep -q 'frozen 0' /sys/fs/cgroup/load/cgroup.events || exit 1
from=$(cat /run/beat) tries=0
until [ "$(cat /run/beat)" -gt $((from + 1)) ]; do
	[ $((tries += 1)) -lt 50 ] || exit 1
	usleep 20000
done)
END
	)" 20
}

hooks_say() { # VM LINE...: what is said of them, without the times
	local vm=$1

	shift
	same "$(printf '%s\n' "$@")" \
		"$(guest "$vm" "cut -d ' ' -f 1,2 /run/hooks")"
}

forget_hooks() {
	guest src 'rm -f /run/hooks /run/fail /run/hang'
}

# The guest's clock, kept with the snapshot, is of the time when it was held.
clock_fits() { # SNAPSHOT
	local from to

	from=$(guest src "sed -n 's/second prepare //p' /run/hooks")
	to=$(guest src "sed -n 's/second release //p' /run/hooks")
	echo "held between $from and $to s"
	holds "$(cat "$STATE/snapshots/$1/manifest.json")" "
		.clock | .guest_monotonic_ns >= ($from - 0.01) * 1e9
		and .guest_monotonic_ns <= ($to + 0.01) * 1e9
		and .monotonic_error_us > 0 and .monotonic_error_us < 1e6"
}

# The copy that the guest made of its disk while that was held.
receive_copy() {
	# an end of its input would end the other side as well
	busybox nc -l -p "$RECEIVE_PORT" <>"$notes/never" >"$notes/copy.gz" &
	guest src "gzip -c /tmp/copy | nc 10.231.0.1 $RECEIVE_PORT" || return
	wait $! && gunzip -c "$notes/copy.gz" >"$notes/copy"
}

# Nothing to be recovered, nothing to be repaired, nothing missing.
copy_is_whole() { # BEAT
	local last text

	text=$(e2fsck -fn "$notes/copy" 2>&1) || {
		echo "$text"
		return 1
	}
	! grep -i recover <<<"$text" || return
	last=$(debugfs -R 'cat /log' "$notes/copy" 2>/dev/null | tail -n 1)
	echo "the log ends with $last, the last beat was $1"
	[ "$last" = "$1" ] || [ "$last" = $(($1 + 1)) ]
}

refused() { # PATTERN OPTION...
	local pattern=$1

	shift
	says 1 "$pattern" "$VMFORK" snapshot src never --quiesce "$@"
}

gone_without_trace() {
	[ ! -e "$STATE/snapshots/never" ] && gc_restores
}

# A snapshot that waits for a hook.
begin_hanging() {
	guest src 'touch /run/hang' || return
	"$VMFORK" snapshot src never --quiesce --quiesce-timeout 100 \
		>"$notes/out" 2>&1 </dev/null &
	snapshot_pid=$!
	retry_until 20 guest src "grep -q 'second prepare' /run/hooks"
}

is_held() { # VM
	guest "$1" "grep -q 'frozen 1' /sys/fs/cgroup/load/cgroup.events"
}

# --- the test ----------------------------------------------------------------

build_guest || bail "no guest with a disk"
export VMFORK_INITRD=$notes/guest
boot src --append 'console=ttyS0 quiet vmfork.agent=--freeze,load' || bail "no source"
begin_workload || bail "no workload"

plain=$(vmfork snapshot src plain --json) || bail "no snapshot"
check "a workload is frozen without being asked for" holds "$plain" \
	'.quiesced == false and .prepare_us > 0 and .release_us > 0'
check "no hook runs for that" guest src '[ ! -e /run/hooks ]'
check "and goes on" goes_on src

ready=$(vmfork snapshot src ready --quiesce --json) || bail "no quiet snapshot"
check "a guest is quiesced" holds "$ready" \
	'.quiesced and .prepare_us > 0 and .release_us > 0'
check "it goes on" goes_on src
check "its hooks ran, and ran backwards" retry_until 5 hooks_say src \
	'first prepare' 'second prepare' 'second release' 'first release'
check "its clock is known" clock_fits ready
check "the list says which one is quiet" holds "$(vmfork snapshots --json)" \
	'[.[] | {name, quiesced}] == [{"name": "plain", "quiesced": false},
		{"name": "ready", "quiesced": true}]'

forked=$(vmfork fork ready --json)
check "a fork of it is acknowledged" holds "$forked" '.acked == 1'
check "the fork goes on" retry_until 10 goes_on ready-1
check "the fork was not released, but restored" hooks_say ready-1 \
	'first prepare' 'second prepare'
check "the fork's disk is whole" guest ready-1 "$(
	cat <<'END'
(for pid in $(cat /sys/fs/cgroup/load/cgroup.procs); do kill -9 $pid; done
until grep -q 'populated 0' /sys/fs/cgroup/load/cgroup.events; do usleep 10000; done
beat=$(cat /run/beat)
umount /mnt && mount -o loop /tmp/disk /mnt || exit 1
! dmesg | grep -i 'ext4-fs.*\(error\|recover\)' || exit 1
seq $(wc -l </mnt/log) | cmp - /mnt/log && [ $(wc -l </mnt/log) -ge $beat ])
END
)"
vmfork stop ready-1 >/dev/null
note_state

forget_hooks
guest src 'touch /run/fail'
check "a hook that fails refuses the snapshot" \
	refused 'snapshot never: the guest could not be quiesced: Input/output'
check "the source goes on" goes_on src
check "nothing is left" gone_without_trace
check "the hooks were told" retry_until 5 hooks_say src 'first prepare' \
	'second prepare' 'second release' 'first release'
check "a failing hook may be ignored" vmfork snapshot src ignored --quiesce \
	--hooks ignore
vmfork rmi ignored >/dev/null

forget_hooks
guest src 'touch /run/hang'
check "a hook that hangs refuses the snapshot" \
	refused 'was not ready within 1 s' --quiesce-timeout 1
check "the source goes on after it" goes_on src
check "the hook is dead" guest src "! ps | grep '[2]0-second prepare'"
check "nothing is left of it" gone_without_trace

forget_hooks
check "a snapshot waits for a hook" begin_hanging
kill -INT "$snapshot_pid"
check "one that is interrupted ends" wait_end "$snapshot_pid"
check "it says so" grep -qx 'vmfork: interrupted' "$notes/out"
check "the source goes on, interrupted" goes_on src
check "the hook is dead, interrupted" guest src "! ps | grep '[2]0-second prepare'"
check "nothing is left, interrupted" gone_without_trace

forget_hooks
begin_hanging
kill -KILL "$snapshot_pid"
check "the guard of one that is killed releases the guest" \
	retry_until 10 guest src "grep -q 'first release' /run/hooks"
check "the source goes on, its command killed" goes_on src
check "nothing is left, killed" gone_without_trace

forget_hooks
begin_hanging
# shellcheck disable=SC2046 # the guard is its only child
kill -KILL "$snapshot_pid" $(pgrep -P "$snapshot_pid")
guest src 'rm /run/hang'
check "with nobody left the guest gets ready" retry_until 10 is_held src
held_at=$SECONDS
beat=$(guest src 'cp /tmp/disk /tmp/copy && cat /run/beat')
check "it is held" is_held src
check "it goes on by itself" retry_until $((2 * HOLD_S)) goes_on src
check "not before its time" [ $((SECONDS - held_at)) -ge $((HOLD_S - 5)) ]
check "a copy of the disk from then is had" receive_copy
check "it is whole" copy_is_whole "$beat"
check "nothing is left, both killed" gone_without_trace

forget_hooks
begin_hanging
# shellcheck disable=SC2046 # the guard is its only child
kill -KILL "$snapshot_pid" $(pgrep -P "$snapshot_pid")
guest src 'rm /run/hang'
check "it is held once more" retry_until 10 is_held src
held_at=$SECONDS
# shellcheck disable=SC2016 # the guest's shell expands
guest src 'ls /run/vmfork/held && kill -9 $(pidof vmfork-agent)'
check "an agent that is started again lets go what a killed one held" \
	retry_until 15 goes_on src
check "before its time" [ $((SECONDS - held_at)) -lt $((HOLD_S - 2)) ]
check "and has nothing more to let go" guest src '[ ! -e /run/vmfork/held ]'

# Its page is not where it was: it is found, and then asked.
# shellcheck disable=SC2016 # the guest's shell expands
guest src 'rm /run/hooks; kill -9 $(pidof vmfork-agent)'
moved=$(retry_until 20 vmfork snapshot src moved --quiesce --json)
check "a guest is quiesced whose page was not known" holds "$moved" '.quiesced'
check "and goes on from there" goes_on src

# shellcheck disable=SC2016 # the guest's shell expands
guest src 'mkdir /mnt/run && rm -r /run/vmfork && ln -s /mnt/run /run/vmfork
kill -9 $(pidof vmfork-agent)'
check "an agent has its files on a disk" retry_until 20 \
	guest src '[ -e /mnt/run/status.json ]'
check "that disk cannot be held, and is not left out" refused \
	'snapshot never: the guest could not be quiesced: Resource deadlock'
check "the source goes on, refused" goes_on src
done_testing
