#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2
# time: 240
#
# 200 TCP connections are open in the source: its fork ends them, and nobody
# hears a byte of it; the source's go on.
#
#	src: 100 connections over IPv4 and 100 over IPv6 to a server on the
#	host, both sides talk
#	web-1: its fork; keep-1: a fork that keeps them
#
# Method. What comes from the source's addresses through any port but its own is
# counted twice: behind the project's filter, where frames reach the host or
# another port; and in front of it, where nothing but the guest's own silence
# keeps a count at nought. There a fork is not silent until its network is the
# new one, but a reset, which would end the source's connection, it never sends,
# and once it is settled nothing at all. That the counters count is shown by the
# same rules for the source's port, and for the fork that keeps its connections.
# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

NUM=200
PORT=7000
QUIET_S=2 # many times the 100 ms in which each connection has something to say

count() { # CHAIN COUNTER MATCH...
	local chain=$1 name=$2

	shift 2
	nft list counter bridge watch "$name" >/dev/null 2>&1 ||
		nft add counter bridge watch "$name" || return
	nft add rule bridge watch "$chain" "$@" counter name "$name"
}

watch_from() { # FAMILY MATCH...
	local family=$1 hook
	local reset='tcp flags & rst == rst' talk="tcp dport $PORT"
	local others=(iifname '!=' "$src_tap")
	local source=(iifname "$src_tap")

	shift
	count early source_resets"$family" "${source[@]}" "$@" "$reset" &&
		count early resets"$family" "${others[@]}" "$@" "$reset" &&
		count early words"$family" "${others[@]}" "$@" "$talk" || return
	for hook in input forward; do
		count $hook source"$family" "${source[@]}" "$@" "$talk" &&
			count $hook others"$family" "${others[@]}" "$@" "$talk" ||
			return
	done
}

watch() {
	local hook

	nft add table bridge watch
	nft 'add chain bridge watch early {' \
		'type filter hook prerouting priority -400; }'
	for hook in input forward; do
		nft "add chain bridge watch $hook {" \
			"type filter hook $hook priority 200; }"
	done
	watch_from 4 ip saddr "$src_ip4" && watch_from 6 ip6 saddr "$src_ip6"
}

counted() { # COUNTER
	nft -j list counter bridge watch "$1" |
		jq '.nftables[] | .counter? // empty | .packets'
}

counts() { # COUNTER
	[ "$(counted "$1")" -gt 0 ]
}

# A port on which nobody listens answers with a reset.
source_resets() {
	local addr

	for addr in "$src_ip4" "$src_ip6"; do
		! (exec 3<>"/dev/tcp/$addr/9") 2>/dev/null || return
	done
	counts source_resets4 && counts source_resets6
}

words() {
	echo "$(counted words4) $(counted words6)"
}

# Of what is counted from now on there is nothing.
is_silent() {
	local before

	before=$(words)
	echo "words over IPv4 and IPv6 so far: $before"
	sleep "$QUIET_S" # the span that is measured
	same "$before" "$(words)"
}

more_words() {
	[ "$(counted words6)" -gt "$before" ]
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
	guest "$1" "cat /proc/net/tcp /proc/net/tcp6 | grep -c '$(
		printf ':%04X ' $PORT)'"
}

needs tests/vm/guest/talk
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$STATE/initrd" \
	--add "/bin/talk=$BUILD/tests/vm/guest/talk" || bail "no initramfs"
boot src --initrd "$STATE/initrd" || bail "no source"
src_ip4=$(vm_field src .ipv4) src_ip4=${src_ip4%/*}
src_ip6=$(vm_field src .ipv6) src_ip6=${src_ip6%/*}
src_tap=$(vm_field src .tap)
read -r ip4 ip6 < <(vmfork net ls --json |
	jq -r '.[0] | "\(.ipv4) \(.ipv6)" | gsub("/[0-9]*"; "")')
"$BUILD/tests/vm/guest/talk" serve "$notes/talk" $PORT &
server=$!
guest src "talk connect /tmp/talk $PORT $((NUM / 2)) $ip4 $ip6 </dev/null &"
check "$NUM connections, both sides talk" retry_until 20 has_heard 0 source_says
check "so says the host" all_talk cat "$notes/talk"
watch || bail "nothing can be counted"
check "a reset of the source's is counted" source_resets

check "a snapshot" vmfork snapshot src warm
forked=$(vmfork fork warm --name web --json)
check "fork: exit status 0" [ $? = 0 ]
check "the fork says how many it ended" holds "$forked" \
	".forks[0].settle | .tasks.tcp == \"done\" and .killed == $NUM"
check "it has none left" same 0 "$(connections web-1)"
check "its program knows" retry_until 10 guest web-1 \
	"[ \"\$(cut -d ' ' -f 1-2 /tmp/talk)\" = '0 $NUM' ]"
check "on what was its parent's it says nothing" is_silent
check "no rule of it is left" guest web-1 '! ip -6 rule | grep -q blackhole'
kept=$(vmfork fork warm --name keep --keep-tcp --json)
check "--keep-tcp: exit status 0" [ $? = 0 ]
check "--keep-tcp: none is ended" holds "$kept" \
	'.forks[0].settle | .tasks.tcp == "none" and .killed == 0'
check "--keep-tcp: all are left" same $NUM "$(connections keep-1)"
before=$(counted words6)
check "--keep-tcp: it goes on speaking, over IPv6" retry_until 20 more_words
check "the source's go on" all_talk source_says
check "so says the host" all_talk cat "$notes/talk"
for family in 4 6; do
	check "what the source says on them is counted, IPv$family" \
		counts source$family
	check "nobody hears a byte of its forks on them, IPv$family" \
		same 0 "$(counted others$family)"
	check "nor do its forks end them, IPv$family" \
		same 0 "$(counted resets$family)"
done
nft delete table bridge watch
kill $server
wait $server 2>/dev/null
done_testing
