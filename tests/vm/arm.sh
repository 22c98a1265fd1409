#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 (7.2)
# time: 400
# alone
#
# The agent spins for the moment of a snapshot: forks wake up in it, each with a
# mail of its own; the source pays for milliseconds, whatever becomes of the
# snapshot and of who takes it; and an agent that does not know how is left alone.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

TRIES=20    # on a busy machine the pause may come too late
SNAPSHOTS=9 # whose cost is measured
SPIN_MS=5   # that each may cost the source more than one that is not armed
NOISE_US=1500 # what else a guest does in the time of a snapshot is not the same
QUIET_US=20000 # a spin without an end is a second

# --- what it costs -----------------------------------------------------------

agent_us() { # VM: of a processor, so far
	# shellcheck disable=SC2016 # the guest's shell expands
	guest "$1" 'cat /proc/$(pidof vmfork-agent)/schedstat' |
		awk '{ print int($1 / 1000) }'
}

# The engine's thread that has used most is the guest's processor: us, so far. The
# guest itself would count what its host withholds.
vcpu_us() {
	cat "/proc/$(vm_field src .pid)"/task/*/schedstat | sort -n |
		awk 'END { print int($1 / 1000) }'
}

# The median, of so many, of what the guest's processor did meanwhile: us.
snapshots_cost() { # OPTION...
	local i from

	for ((i = 0; i < SNAPSHOTS; i++)); do
		from=$(vcpu_us)
		vmfork snapshot src cost --mode diff "$@" >&2 || return
		echo $(($(vcpu_us) - from))
		vmfork rmi cost >&2
	done | sort -n | sed -n $(((SNAPSHOTS + 1) / 2))p
}

costs_little() {
	local with without

	without=$(snapshots_cost --no-arm) && with=$(snapshots_cost --arm) ||
		return
	echo "processor: $with us with an armed snapshot, $without us with another"
	[ $((with - without)) -le $((SPIN_MS * 1000 + NOISE_US)) ]
}

# Whatever becomes of what is done next: no spin goes on for ever. That it ends
# in time has its own test, of the agent alone; here hosts withhold processors.
is_quiet_after() { # COMMAND...
	local us

	"$@" || return
	us=$(agent_us src)
	sleep 1 # the span that is measured
	us=$(($(agent_us src) - us))
	echo "$*: agent: $us us in the second after it"
	[ "$us" -le "$QUIET_US" ]
}

# --- snapshots ---------------------------------------------------------------

armed() { # VM NAME OPTION...: until it is
	local vm=$1 name=$2 tries=$TRIES said

	shift 2
	while [ $((tries--)) -gt 0 ]; do
		said=$(vmfork snapshot "$vm" "$name" --json "$@") || return
		[ "$(jq -r .status <<<"$said")" = ready ] ||
			said=$(await "$name") || return
		[ "$(jq -r .armed <<<"$said")" = false ] || break
		vmfork rmi "$name" >/dev/null
	done
	holds "$said" '.armed and .spun_us > 0' &&
		holds "$(vmfork inspect "$name" --json)" '.manifest.armed == true'
}

is_ready() { # NAME
	said=$(vmfork snapshots --json | jq -e --arg name "$1" \
		'.[] | select(.name == $name)') &&
		[ "$(jq -r .status <<<"$said")" = ready ]
}

await() { # NAME: until what was promised is there; its description
	local said

	retry_until 20 is_ready "$1" && echo "$said"
}

forks_armed() { # SNAPSHOT PREFIX [OPTION]...
	local snapshot=$1 prefix=$2

	shift 2
	holds "$(vmfork fork "$snapshot" --name "$prefix" --json "$@")" '
		.acked == .requested and
		all(.forks[]; .signal == "armed" and .verified)'
}

forks_otherwise() { # SNAPSHOT PREFIX
	holds "$(vmfork fork "$1" --name "$2" --json)" '
		.acked == 1 and (.forks[0].signal | test("vmgenid|vmclock|check"))'
}

source_goes_on() {
	[ "$(vm_field src .state)" = running ] && reachable src &&
		guest src true
}

# --- what goes wrong ---------------------------------------------------------

# Killed with the agent in its spin: before its engine hears to stop the VM.
killed_in_spin() { # AT
	STRIKE_WORD='"stop"' STRIKE_AT=$1 LD_PRELOAD=$BUILD/tests/vm/strike.so \
		"$VMFORK" snapshot src cut --mode diff >&2
	[ $? = 137 ] && source_goes_on
}

# The image of it all has no room: that is found out in the pause.
no_room() {
	local kib rc

	kib=$(df --output=used -k "$STATE" | tail -n 1)
	mount -o "remount,size=$((kib + 4096))k" "$STATE"
	says 1 'room|space' "$VMFORK" snapshot src cut --mode full
	rc=$?
	mount -o remount,size=50% "$STATE"
	[ "$rc" = 0 ] && source_goes_on
}

# -----------------------------------------------------------------------------

needs tests/vm/strike.so
boot src --memory 128M || bail "no source"
for mode in full diff live; do
	check "$mode: armed" armed src "by-$mode" --mode $mode
	check "$mode: its fork was looking for its mail" \
		forks_armed "by-$mode" $mode
	vmfork stop $mode-1
done
said=$(vmfork snapshot src written --mode live --no-wait --json)
check "in the background: not known before it is written" holds "$said" \
	'.status == "writing" and .armed == null and .spun_us == null'
check "and then it is" holds "$(await written)" '.armed | type == "boolean"'
vmfork rmi written
check "it is the default, and in the background, too" armed src ready --no-wait
check "siblings" forks_armed ready web -n 2
check "have names of their own" same "web-1 web-2" \
	"$(guest web-1 hostname) $(guest web-2 hostname)"
for vm in web-1 web-2; do
	check "$vm: its own network" has_own_network $vm
	check "$vm: its kernel was told as well" retry_until 20 guest $vm \
		'dmesg | grep -q "due to virtual machine fork"'
	check "$vm: and that was the same restore" agent_says $vm \
		'.generation == 1 and .signal == "armed" and .settled'
done
check "their random numbers differ" [ \
	"$(guest web-1 'head -c 16 /dev/urandom | od -An -tx8')" != \
	"$(guest web-2 'head -c 16 /dev/urandom | od -An -tx8')" ]
check "a fork without mail" vmfork fork ready --no-mail --name mute
check "waits as ever" retry_until 20 agent_says mute-1 \
	'.generation == 1 and .step == "mail" and .errno == 110'
vmfork stop mute-1 web-2
check "a branch of a fork" armed web-1 branch
check "and its fork" forks_armed branch deep
vmfork stop deep-1 web-1
check "entries of the pool" vmfork pool fill ready -n 1
check "wake up in it, too" forks_armed ready pooled
vmfork stop pooled-1
vmfork pool drain --all >/dev/null

check "not asked for" holds "$(vmfork snapshot src plain --no-arm --json)" \
	'.armed == false and .spun_us == null'
check "a signal wakes its fork" forks_otherwise plain plain
vmfork stop plain-1
check "what it costs the source" costs_little
check "an agent that waits costs nothing" agent_is_idle src
vmfork rmi by-diff by-full by-live branch plain >/dev/null
check "killed before the pause: the source goes on" \
	is_quiet_after killed_in_spin before
check "killed in the pause: the source goes on" \
	is_quiet_after killed_in_spin after
vmfork gc
check "no room for the image: the source goes on" is_quiet_after no_room
check "and is armed again" armed src later
check "an older agent" "$BUILD/tests/vm/older" src
check "is not asked" holds "$(vmfork snapshot src old --json)" '.armed == false'
check "and its fork is woken as ever" forks_otherwise old old
done_testing
