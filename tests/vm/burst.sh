#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 600
# alone
#
# Many forks at once: all of them answer, each is somebody else, none is left
# behind or kept back; one in ten that fails is told exactly, and disturbs nobody;
# two commands at a time, and one that is killed.
#
# LONG=1 does it ten times.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

BURST=100
SOME=10	     # with faults in four of them
TIMEOUT_S=10 # for the one that is never heard
KILLS=${LONG:+100}
KILLS=${KILLS:-10}
KILLED=4 # forks, of a command that is killed
ROUNDS=${LONG:+10}
ROUNDS=${ROUNDS:-1}

forks() {
	vmfork ps --json | jq -r '.[].name | select(. != "src")'
}

stop_forks() {
	local names

	mapfile -t names < <(forks)
	[ ${#names[@]} = 0 ] || vmfork stop "${names[@]}" >/dev/null
}

distinct() { # JSON NUMBER
	local key

	for key in name pid tap mac ipv4 ipv6 restore_id; do
		holds "$1" "[.forks[].$key] | unique | length == $2" || return
	done
}

# Do an engine's threads, and its session, have what others have? Field 41 of
# proc(5)'s stat is a thread's policy, 0 the usual one.
is_equal() { # PID
	local policies session=/proc/$1/autogroup

	policies=$(sed 's/.*) //' "/proc/$1"/task/*/stat |
		cut -d' ' -f39 | sort -u)
	[ "$policies" = 0 ] && {
		[ ! -e "$session" ] || grep -q ' nice 0$' "$session"
	}
}

all_equal() { # JSON
	local pid

	for pid in $(jq '.forks[] | select(.state == "running") | .pid' <<<"$1"); do
		is_equal "$pid" || {
			echo "engine $pid was kept back for good"
			return 1
		}
	done
}

burst() {
	local said began

	said=$("$VMFORK" fork ready -n "$BURST" --name web --wait network --json) &&
		holds "$said" ".acked == $BURST and .failed == 0
			and all(.forks[]; .error == null and .verified)" &&
		distinct "$said" "$BURST" && all_equal "$said" || return
	# shellcheck disable=SC2016 # jq's variables
	# in waves: when the last one is resumed, most were heard long since
	holds "$said" '([.forks[].timeline_us.resumed] | max) as $last
		| [.forks[].timeline_us.acked | select(. < $last)]
		| length > '$((BURST / 2)) || return
	began=${EPOCHREALTIME/./}
	stop_forks || return
	echo "$BURST ended in $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
	left_nothing
}

bursts() {
	local i

	for ((i = 0; i < ROUNDS; i++)); do
		burst || return
	done
}

# --- faults ------------------------------------------------------------------

# An engine that fails if its name is on one of these lists.
write_engine() {
	cat >"$notes/engine" <<-'SCRIPT'
		#!/bin/bash
		dir=$(dirname "$0")
		args=("$@")
		for ((i = 0; i < $#; i++)); do
			[ "${args[i]}" != -name ] || name=${args[i + 1]}
			[ "${args[i]}" != -machine ] || machine=$((i + 1))
		done
		if grep -qx "$name" "$dir/no-spawn" 2>/dev/null; then
			echo "$name does not start"
			exit 1
		fi
		# a machine that the image is not of
		if grep -qx "$name" "$dir/no-load" 2>/dev/null; then
			args[machine]=${args[machine]/smm=off/smm=off,sata=off}
		fi
		exec qemu-system-x86_64 "${args[@]}"
	SCRIPT
	chmod +x "$notes/engine"
}

# Of one, the first to speak, nothing is heard.
lose_one() {
	nft -f - <<-'RULES'
		table inet loss {
			set victim { type ipv4_addr; size 1; flags dynamic; }
			chain input {
				type filter hook input priority 0
				iifname "vfb-default" meta l4proto udp add @victim { ip saddr } drop
			}
		}
	RULES
}

# Which ones: drawn anew each time, and said.
draw() {
	mapfile -t drawn < <(shuf -i "1-$SOME" -n 3)
	echo "web-${drawn[0]}" >"$notes/no-spawn"
	echo "web-${drawn[1]}" >"$notes/no-load"
	echo "drawn: start ${drawn[0]}, load ${drawn[1]}, TAP ${drawn[2]}"
}

failed_at() { # JSON NUMBER PATTERN
	holds "$1" ".forks[$(($2 - 1))] | .state == \"failed\" and .pid == null
		and (.error | test(\"$3\")) and .timeline_us.acked == null"
}

faults() {
	local said name rc

	draw
	lose_one || return
	said=$(VMFORK_QEMU=$notes/engine TAPLESS_AT=${drawn[2]} \
		LD_PRELOAD=$BUILD/tests/vm/tapless.so \
		vmfork fork ready -n "$SOME" --name web --wait network \
		--timeout "$TIMEOUT_S" --json)
	rc=$?
	nft delete table inet loss
	echo "$said" | jq -c '.forks[] | [.name, .state, .reached, .error]'
	[ "$rc" = 3 ] || return
	holds "$said" ".requested == $SOME and .failed == 3
		and .acked == $((SOME - 4))" &&
		failed_at "$said" "${drawn[0]}" 'does not start' &&
		failed_at "$said" "${drawn[1]}" '.' &&
		failed_at "$said" "${drawn[2]}" 'TAP' || return
	holds "$said" '[.forks[] | select(.state == "running" and .error)]
		| length == 1 and (.[0].error | test("not acknowledged"))' &&
		same "$(jq -r '.forks[] | select(.state == "running").name' \
			<<<"$said" | sort)" "$(forks | sort)" &&
		all_equal "$said" || return
	for name in $(forks); do
		reachable "$name" || {
			echo "$name is not reached"
			return 1
		}
	done
	stop_forks && left_nothing
}

# --- several, and killed ones ------------------------------------------------

side_by_side() {
	local one two

	vmfork fork ready -n 6 --wait network --json >"$notes/one" &
	vmfork fork ready -n 6 --wait network --json >"$notes/two"
	wait $! || return
	one=$(cat "$notes/one") two=$(cat "$notes/two")
	holds "$one" '.acked == 6' && holds "$two" '.acked == 6' &&
		distinct "$(jq -s '{forks: map(.forks[])}' "$notes/one" \
			"$notes/two")" 12 &&
		stop_forks && left_nothing
}

# At moments spread over the time that one takes undisturbed, most of it: what the
# machine does beside may make it shorter, and half of them have to be in time.
kills() {
	local i began took_ms ms killed=0

	began=${EPOCHREALTIME/./}
	vmfork fork ready -n "$KILLED" --name web --wait network || return
	took_ms=$(((${EPOCHREALTIME/./} - began) / 1000))
	stop_forks || return
	for ((i = 0; i < KILLS; i++)); do
		ms=$((took_ms * (2 * i + 1) * 8 / (20 * KILLS)))
		signalled KILL "$((ms / 1000)).$(printf %03d $((ms % 1000)))" \
			fork ready -n "$KILLED" --name web --wait network
		[ $? != 137 ] || killed=$((killed + 1))
		vmfork gc && stop_forks && gc_restores || return
	done
	echo "$killed of $KILLS killed, of $took_ms ms each"
	[ "$killed" -ge $((KILLS / 2)) ]
}

needs tests/vm/tapless.so
boot src || bail "no source"
vmfork snapshot src ready || bail "no snapshot"
write_engine
note_state
check "$BURST at once: all are heard, nothing is left" bursts
check "two commands at a time: nobody is twice" side_by_side
check "faults at each stage: told exactly, and nobody else is disturbed" faults
check "killed at any moment: nothing is left" kills
check "the source is reached" reachable src
done_testing
