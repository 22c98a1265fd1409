#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2
# time: 240
#
# 200 TCP connections are open in the source: its fork ends them, and nobody
# hears a byte of it; the source's go on.
#
#	src: 200 connections to a server on the host, both sides talk
#	web-1: its fork; keep-1: a fork that keeps them
#
# Method. What comes from the source's addresses through any port but its own is
# counted behind the project's filter, where frames reach the host or another
# port. That the counter counts is shown by the same rule for the source's port.
# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

NUM=200
PORT=7000

count_from() { # COUNTER MATCH...
	local name=$1 hook

	shift
	nft add counter bridge watch "$name"
	for hook in input forward; do
		nft add rule bridge watch $hook "$@" tcp dport "$PORT" \
			counter name "$name" || return
	done
}

watch() {
	local hook

	nft add table bridge watch
	for hook in input forward; do
		nft "add chain bridge watch $hook {" \
			"type filter hook $hook priority 200; }"
	done
	count_from source iifname "$src_tap" ip saddr "$src_ip" &&
		count_from others iifname != "$src_tap"
}

counted() { # COUNTER
	nft -j list counter bridge watch "$1" |
		jq '.nftables[] | .counter? // empty | .packets'
}

# "ALIVE LOST BYTES" of the source, and of the host's end.
source_says() {
	guest src 'cat /tmp/talk'
}

has_heard() { # BYTES COMMAND...: more than these, and all are alive
	local alive lost bytes than=$1

	shift
	read -r alive lost bytes < <("$@")
	echo "$*: $alive alive, $lost lost, $bytes bytes"
	[ "$alive $lost" = "$NUM 0" ] && [ "$bytes" -gt "$than" ]
}

all_talk() { # COMMAND...
	local bytes

	read -r _ _ bytes < <("$@")
	retry_until 20 has_heard "$bytes" "$@"
}

connections() { # VM
	guest "$1" "netstat -tn | grep -c ':$PORT '"
}

[ -x "$BUILD/tests/vm/guest/talk" ] || skip_all "talk is not built"
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$STATE/initrd" \
	--add "/bin/talk=$BUILD/tests/vm/guest/talk" || bail "no initramfs"
boot src --initrd "$STATE/initrd" || bail "no source"
src_ip=$(vm_field src .ipv4) src_ip=${src_ip%/*}
src_tap=$(vm_field src .tap)
gateway=$(vmfork net ls --json | jq -r '.[0].ipv4') gateway=${gateway%/*}
"$BUILD/tests/vm/guest/talk" serve "$notes/talk" "$gateway" $PORT &
server=$!
guest src "talk connect /tmp/talk $gateway $PORT $NUM </dev/null &"
check "$NUM connections, both sides talk" retry_until 20 has_heard 0 source_says
check "so says the host" all_talk cat "$notes/talk"
watch || bail "nothing can be counted"

check "a snapshot" vmfork snapshot src warm
forked=$(vmfork fork warm --name web --json)
check "fork: exit status 0" [ $? = 0 ]
check "the fork says how many it ended" holds "$forked" \
	".forks[0].settle | .tasks.tcp == \"done\" and .killed == $NUM"
check "it has none left" same 0 "$(connections web-1)"
check "its program knows" retry_until 10 guest web-1 \
	"[ \"\$(cut -d ' ' -f 1-2 /tmp/talk)\" = '0 $NUM' ]"
check "no rule of it is left" guest web-1 '! ip -6 rule | grep -q blackhole'
kept=$(vmfork fork warm --name keep --keep-tcp --json)
check "--keep-tcp: exit status 0" [ $? = 0 ]
check "--keep-tcp: none is ended" holds "$kept" \
	'.forks[0].settle | .tasks.tcp == "none" and .killed == 0'
check "--keep-tcp: all are left" same $NUM "$(connections keep-1)"
check "the source's go on" all_talk source_says
check "so says the host" all_talk cat "$notes/talk"
check "what the source says on them is counted" [ "$(counted source)" -gt 0 ]
check "nobody hears a byte of its forks on them" same 0 "$(counted others)"
nft delete table bridge watch
kill $server
wait $server 2>/dev/null
done_testing
