#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 180
#
# A fork without mail: it waits a while, then lives on as what it was, and
# reaches nobody. Waiting is the agent's own, on any kernel.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

IDLE_S=5
ENGINE_MS=1000 # of the engine's CPU in that time: an idle guest, emulated
AGENT_MS=50    # of the agent's, in the guest: far from a spin

cpu_ms() { # PID
	awk -v hz="$(getconf CLK_TCK)" '{
		sub(/.*\) /, ""); print ($12 + $13) * 1000 / hz }' "/proc/$1/stat"
}

agent_ms() { # VM
	# shellcheck disable=SC2016 # the guest's shell expands
	guest "$1" 'cat /proc/$(pidof vmfork-agent)/schedstat' |
		awk '{ print int($1 / 1000000) }'
}

boot src || bail "no source"
before=$(guest_network src)
vmfork snapshot src ready || bail "no snapshot"
check "a fork without mail" vmfork fork ready --no-mail --name mute
check "it lives" guest mute-1 true
check "it stops waiting, and says so" retry_until 20 agent_says mute-1 \
	'.generation == 1 and .step == "mail" and .errno == 110'
check "it has reseeded, and is nobody that it knows of" agent_says mute-1 \
	'.reseed == "alone" and .name == null and .settled == false'
check "it keeps its network" same "$before" "$(guest_network mute-1)"

agent=$(agent_ms mute-1)
pid=$(vm_field mute-1 .pid)
engine=$(cpu_ms "$pid")
sleep $IDLE_S # the span that is measured
engine=$(($(cpu_ms "$pid") - engine))
agent=$(($(agent_ms mute-1) - agent))
echo "in $IDLE_S s: engine $engine ms, agent $agent ms"
check "its CPU is idle" [ $engine -lt $ENGINE_MS ]
check "its agent is idle" [ $agent -le $AGENT_MS ]

gateway=$(vmfork net ls --json | jq -r '.[0].ipv4 | sub("/.*"; "")')
check "it reaches nobody" guest mute-1 \
	"! ping -c 2 -W 1 $gateway >/dev/null"
check "the source reaches the host" guest src "ping -c 1 -W 5 $gateway"
check "the source is reached" reachable src
check "the source's network is untouched" same "$before" "$(guest_network src)"
check "a fork with mail of the same snapshot" holds \
	"$(vmfork fork ready --name web --json)" '.acked == 1'
check "it goes on beside that one" guest mute-1 true

check "a snapshot of it" vmfork snapshot mute-1 later
check "its guest is known by its parent's MAC" holds \
	"$(vmfork inspect later --json)" ".manifest.nics[0].mac ==
		\"$(vm_field src .mac | tr -d :)\""
check "and a fork of that, with mail" holds \
	"$(vmfork fork later --name next --json)" \
	'.acked == 1 and .forks[0].verified'
check "has its own network" has_own_network next-1
check "and is reached" reachable next-1
done_testing
