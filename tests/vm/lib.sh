# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What tests with whole VMs share. A test begins with
#
#	#!/bin/bash
#	# kernels: 6.12 (7.2)	(optional: once for each; in long runs)
#	# time: 300		(optional: time limit in seconds)
#	. "$(dirname "$0")/lib.sh"
#
# is run by tests/run, in namespaces of its own, and says what holds with ok,
# not_ok, check and skip; done_testing ends it. Its state directory, $STATE, is
# a tmpfs of its own; $notes is a directory for its notes. Whatever way it ends,
# its VMs and networks are removed, by vmfork's own commands: if these leave
# something, the run says so.
set -u

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$(cd "$ROOT" && cd "${BUILD:-build}" && pwd)
VMFORK=$BUILD/vmfork
KERNEL=${KERNEL:-6.12}
VMFORK_KERNEL=$BUILD/kernels/$KERNEL/vmlinuz
VMFORK_INITRD=$BUILD/guest-$KERNEL.cpio.gz
STATE=$BUILD/tests/state
export BUILD VMFORK_KERNEL VMFORK_INITRD VMFORK_STATE=$STATE
interface=eth0 # how guests name it
BOOT_S=150     # on a machine that is busy elsewhere
IDLE_S=5       # of an agent that is watched
points=0

# --- results -----------------------------------------------------------------

ok() { # NAME
	points=$((points + 1))
	echo "ok - $1"
}

not_ok() { # NAME
	points=$((points + 1))
	echo "not ok - $1"
}

skip() { # NAME WHY
	points=$((points + 1))
	echo "ok - $1 # SKIP $2"
}

# It holds if the command succeeds; all that it printed goes to the log.
check() { # NAME COMMAND...
	local name=$1

	shift
	if "$@"; then
		ok "$name"
	else
		echo "failed: $*"
		not_ok "$name"
	fi
}

# The command has to fail with this status, and with one line that matches.
check_fails() { # NAME STATUS PATTERN COMMAND...
	local name=$1 status=$2 pattern=$3 rc text

	shift 3
	text=$("$@" 2>&1 >/dev/null)
	rc=$?
	echo "$text"
	if [ $rc = "$status" ] && grep -Eq "$pattern" <<<"$text"; then
		ok "$name"
	else
		echo "wanted status $status and /$pattern/, got $rc"
		not_ok "$name"
	fi
}

# One line of vmfork's that matches, and at most one hint; the status.
says() { # STATUS PATTERN COMMAND...
	local status=$1 pattern=$2 rc text

	shift 2
	text=$("$@" 2>&1 >/dev/null </dev/null)
	rc=$?
	echo "$text"
	[ "$rc" = "$status" ] || {
		echo "exit status $rc instead of $status"
		return 1
	}
	grep -Eq "^vmfork: .*($pattern)" <<<"$text" &&
		[ "$(grep -cv '^vmfork: hint: ' <<<"$text")" = 1 ] &&
		[ "$(wc -l <<<"$text")" -le 2 ]
}

bail() { # WHY: nothing that follows could tell anything
	not_ok "$*"
	done_testing
}

done_testing() {
	echo "1..$points"
	exit 0
}

# What `make tests-vm` builds for a test has to be there. It is no reason to skip: a
# library that is not there would be passed over, and the test hold.
needs() { # FILE...: below $BUILD
	local file

	for file; do
		[ -e "$BUILD/$file" ] || bail "$file is not built: make tests-vm"
	done
}

skip_all() { # WHY
	skip "$(basename "$0" .sh)" "$1"
	done_testing
}

# --- waiting -----------------------------------------------------------------

retry_until() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

ping4() { # ADDRESS[/LENGTH]
	ping -4 -n -q -c 1 -W 1 "${1%/*}" >/dev/null 2>&1
}

ping6() { # ADDRESS[/LENGTH]
	ping -6 -n -q -c 1 -W 1 "${1%/*}" >/dev/null 2>&1
}

# --- vmfork ------------------------------------------------------------------

vmfork() {
	timeout $((BOOT_S + 30)) "$VMFORK" "$@"
}

# The value of a jq filter in a JSON document, which must have one.
field() { # JSON FILTER
	jq -er "$2" <<<"$1"
}

# Is the filter true of the document?
holds() { # JSON FILTER
	# jq 1.6 is content with a document that is not there
	{ [ -n "$1" ] && jq -e "$2" <<<"$1" >/dev/null; } || {
		echo "not so: $2 in"
		jq . <<<"$1" || echo "$1"
		return 1
	}
}

vm_field() { # VM FILTER
	vmfork ps --json | jq -er --arg name "$1" \
		".[] | select(.name == \$name) | $2"
}

# Boot a VM, and wait until its console answers too.
boot() { # NAME [OPTION]...
	vmfork run --timeout "$BOOT_S" "$@" && answers "$1"
}

# A shell function that is true if the arguments are equal; says so if not.
same() { # WANTED GOT
	[ "$1" = "$2" ] || {
		diff <(echo "$1") <(echo "$2") | sed 's/^</wanted/;s/^>/got/'
		return 1
	}
}

# Run commands in a guest's root shell and print what they print. The status is
# the commands' own, and only the guest can say it: it has to print words that
# were made up for this call, so neither a hang nor garbage on the line can look
# like success. The words are sent in two halves, for the line echoes them.
# A tab would ask the shell to complete a word, and a busy guest loses what follows.
guest() { # VM COMMANDS [SECONDS]
	local vm=$1 commands=${2//$'\t'/ } limit=${3:-30}
	local token out rc line

	token=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
	line="echo 'b''$token'; { $commands"$'\n'"} 2>&1; echo 'e''$token'\$?"
	out=$(guest_talk "$vm" "$line" "$token" "$limit") || {
		echo "guest $vm: no answer, or none within $limit s: $commands" >&2
		return 124
	}
	rc=${out##*e"$token"}
	rc=${rc%%[!0-9]*}
	out=${out#*b"$token"}
	out=${out%e"$token"*}
	# The shell ends each command with its prompt and the line's echo.
	out=${out#$'\n'}
	printf '%s' "$out" | grep -v '^> \|^vmfork# ' || :
	return "${rc:-125}"
}

# Wait until there is a shell at a console, which has printed its prompt. What is
# sent before there is one is lost, so an empty line asks for it again and again;
# a line with words would not be safe to repeat.
answers() { # VM [SECONDS]
	local end=$((SECONDS + ${2:-60}))

	# in a process of its own, without this one's traps
	until (asks "$1" "$end"); do
		[ $SECONDS -lt "$end" ] || return 1
		sleep 0.1 # there was no console at all
	done
}

# Until the prompt comes or the console goes.
asks() { # VM END
	local fd words pid out='' part rc=1
	local console=("$VMFORK" console "$1")

	coproc TALK { exec timeout -k 5 60 "${console[@]}" 2>/dev/null; }
	pid=$TALK_PID
	exec {fd}<&"${TALK[0]}" {words}>&"${TALK[1]}"
	while [ $SECONDS -lt "$2" ]; do
		# a console that has gone kills who writes to it
		(echo >&"$words") 2>/dev/null || break
		IFS= read -r -t 0.2 -u "$fd" part
		[ $? != 1 ] || break
		out+=$part
		if [[ $out == *'vmfork# '* ]]; then
			rc=0
			break
		fi
	done
	exec {fd}<&- {words}>&-
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return $rc
}

# Send lines to a console and print what comes back, until the end token is
# followed by a whole line.
guest_talk() { # VM LINES TOKEN SECONDS
	local fd pid out='' part rc=1 end=$((SECONDS + $4))
	local console=("$VMFORK" console "$1")

	coproc TALK { exec timeout -k 5 "$4" "${console[@]}" 2>/dev/null; }
	pid=$TALK_PID
	exec {fd}<&"${TALK[0]}"
	# An interrupt first: an earlier call may have left a command running.
	printf '\003\n%s\n' "$2" >&"${TALK[1]}"
	while [ $SECONDS -le $end ]; do
		IFS= read -r -t 1 -u "$fd" part
		case $? in
		0) out+=${part%$'\r'}$'\n' ;;
		1) break ;; # the console has gone
		*) out+=$part ;;
		esac
		if [[ $out =~ e"$3"[0-9]+$'\n' ]]; then
			rc=0
			break
		fi
	done
	exec {fd}<&-
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	printf '%s' "$out"
	return $rc
}

# --- nothing is left ---------------------------------------------------------

# But for lines that match $may_grow, where a test says so.
all_there_is() {
	# a test may resize its own file system
	"$ROOT/tests/inventory.sh" | sed 's/,size=[0-9]*k//' |
		grep -vE "${may_grow:-^$}"
	# where the search for a free lease begins may move
	jq -S 'del(.cursor)' "$STATE"/net/*/leases.json
}

# A VM that was just stopped may not have gone yet: its process has no arguments.
nobody_ends() {
	! "$ROOT/tests/inventory.sh" | grep -q '^process: ('
}

note_state() {
	retry_until 5 nobody_ends
	all_there_is >"$notes/before"
}

is_as_before() {
	all_there_is >"$notes/after"
	cmp -s "$notes/before" "$notes/after"
}

# What ends with its owner (a TAP with its VM) may need a moment.
left_nothing() {
	retry_until 5 is_as_before || {
		diff "$notes/before" "$notes/after"
		return 1
	}
}

# All that gc removes is gone; a second one has nothing to say.
gc_restores() {
	vmfork gc && left_nothing && [ -z "$(vmfork gc)" ]
}

# --- commands that do not end by themselves ----------------------------------

# Start a command, wait so long, send it a signal, and wait for its end; its exit
# status. A deadline for the end, though: a command that hangs is killed.
signalled() { # SIGNAL SECONDS COMMAND...
	local signal=$1 seconds=$2 pid rc

	shift 2
	"$VMFORK" "$@" >"$notes/out" 2>&1 </dev/null &
	pid=$!
	read -r -t "$seconds" <>"$notes/never"
	kill "-$signal" "$pid" 2>/dev/null
	wait_end "$pid" || kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	rc=$?
	echo "$* +$seconds s $signal: $rc $(tail -n 1 "$notes/out")"
	return "$rc"
}

wait_end() { # PID
	timeout 30 tail --pid="$1" -s 0.02 -f /dev/null
}

# --- a guest's network -------------------------------------------------------

# The link-local address that belongs to a MAC (RFC 4291, appendix A).
linklocal() { # MAC
	local a b c d e f

	IFS=: read -r a b c d e f <<<"$1"
	printf 'fe80::%x:%x:%x:%x\n' $((((0x$a ^ 2) << 8) + 0x$b)) \
		$(((0x$c << 8) + 0xff)) $((0xfe00 + 0x$d)) $((0x$e$f)) |
		sed 's/::0:/::/'
}

# All that makes up a guest's identity on the network, one fact a line.
guest_network() { # VM
	guest "$1" "echo mac \$(cat /sys/class/net/$interface/address)
ip -o addr show dev $interface; ip route; ip -6 route; ip neigh" | awk '
		/^mac / { print }
		$3 ~ /^inet6?$/ {
			print $3, $4, (/tentative|dadfailed/ ? "unusable" : "usable")
		}
		/^default via / { print $1, $3 }
		/PERMANENT/ { print "neighbour", $1, $5 }' | sort
}

# The same, as it has to be, of what the host says of a VM.
network_of() { # MAC IPV4 IPV6
	local gateway

	gateway=$(vmfork net ls --json | jq -r '
		.[] | select(.name == "default") |
		"default \(.ipv4)", "default \(.ipv6)",
		"neighbour \(.ipv4) \(.mac)", "neighbour \(.ipv6) \(.mac)"' |
		sed 's|/[0-9]*||')
	printf '%s\n' "$gateway" "mac $1" "inet $2 usable" "inet6 $3 usable" \
		"inet6 $(linklocal "$1")/64 usable" | sort
}

# Has the guest exactly the network that the host gave it, nothing of another?
has_own_network() { # VM
	local mac ipv4 ipv6

	read -r mac ipv4 ipv6 < <(vm_field "$1" '"\(.mac) \(.ipv4) \(.ipv6)"')
	same "$(network_of "$mac" "$ipv4" "$ipv6")" "$(guest_network "$1")"
}

# Does it answer the host, over both families?
reachable() { # VM
	ping4 "$(vm_field "$1" .ipv4)" && ping6 "$(vm_field "$1" .ipv6)"
}

# A value of the agent's status, as the guest tells it.
agent_status() { # VM FILTER
	guest "$1" 'vmfork-agent status' | jq -r "$2"
}

agent_says() { # VM FILTER, which has to be true
	local status

	status=$(guest "$1" 'vmfork-agent status') || return
	holds "$status" "$2"
}

# Snapshot and fork, and print what the fork's command said. The snapshot is not
# armed, so that a signal has to wake the fork. The agent's look
# once a second may find the mail before any signal comes, which the fork then
# tells truly; all forks of that snapshot would, so it is taken again.
fork_woken() { # VM SNAPSHOT NAME
	local said tries=4

	while [ $((tries--)) -gt 0 ]; do
		vmfork snapshot "$1" "$2" --no-arm >&2 || return
		said=$(vmfork fork "$2" --name "$3" --json)
		[ "$(jq -r '.forks[0].signal' <<<"$said")" = check ] || break
		vmfork stop "$3-1" >&2
		vmfork rmi "$2" >&2
	done
	echo "$said"
}

# All of it in the guest: a shell that is asked at both ends would be part of what
# the span costs, for it leaves the emulator's caches cold.
agent_span_us() { # VM
	# shellcheck disable=SC2016 # the guest's shell expands
	guest "$1" 'pid=$(pidof vmfork-agent); read -r before rest </proc/$pid/schedstat
sleep '"$IDLE_S"'; read -r after rest </proc/$pid/schedstat
echo $(((after - before) / 1000))' $((IDLE_S + 30))
}

# At most 0.1 % of a processor. A host that is busy elsewhere, or whose caches are
# others', makes the same agent look two and three times as busy: the best of up to
# twelve spans.
agent_is_idle() { # VM
	local used

	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
		used=$(agent_span_us "$1")
		echo "$1: agent: $used us of a processor in $IDLE_S s"
		[ "${used:-$((IDLE_S * 1000 + 1))}" -gt $((IDLE_S * 1000)) ] || return 0
	done
	return 1
}

# Start an agent in a guest that has none.
agent_start() { # VM SIGNAL
	guest "$1" "(vmfork-agent run --signal $2 </dev/null \
>/tmp/agent.$2 2>&1) &" >/dev/null
	retry_until 30 agent_says "$1" .running
}

agent_stop() { # VM
	# shellcheck disable=SC2016 # the guest's shell expands
	guest "$1" 'kill $(pidof vmfork-agent); n=100
while pidof vmfork-agent >/dev/null && [ $n -gt 0 ]; do
n=$((n - 1)); usleep 100000; done; [ $n -gt 0 ]'
}

# In a /run of its own: only there is no agent running.
agent_refuses() { # VM SIGNAL WHY
	guest "$1" "unshare -m sh -c 'mount -t tmpfs t /run
vmfork-agent run --signal $2 >/tmp/out 2>&1'; [ \$? = 1 ] &&
[ \$(wc -l </tmp/out) = 1 ] && grep -q '$3' /tmp/out"
}

# --- the end -----------------------------------------------------------------

# Where KVM cannot run a guest, one test finds out for all: it takes seconds.
# Another lane's may be reading it.
share_kvm_unusable() {
	local new

	cmp -s "$STATE/kvm-unusable" "$BUILD/tests/kvm-unusable" && return
	new=$(mktemp "$BUILD/tests/kvm.XXXXXX") || return
	if cp "$STATE/kvm-unusable" "$new"; then
		mv "$new" "$BUILD/tests/kvm-unusable"
	else
		rm "$new"
	fi
}

cleanup() {
	local name

	if [ -x "$VMFORK" ]; then
		vmfork stop --all >/dev/null 2>&1
		vmfork pool drain --all >/dev/null 2>&1
		for name in $(vmfork net ls --json 2>/dev/null |
			jq -r '.[].name'); do
			vmfork net rm "$name" >/dev/null 2>&1
		done
	fi
	share_kvm_unusable 2>/dev/null
	rm -rf "$notes"
	umount "$STATE" 2>/dev/null
	rmdir "$STATE" 2>/dev/null
}

notes=$(mktemp -d)
mkfifo "$notes/never"
trap cleanup EXIT
trap 'exit 143' TERM INT
[ -x "$VMFORK" ] || skip_all "there is no $VMFORK"
mkdir -p "$STATE"
mount -t tmpfs -o mode=700 vmfork-test "$STATE" || bail "no tmpfs for state"
cp "$BUILD/tests/kvm-unusable" "$STATE/" 2>/dev/null
