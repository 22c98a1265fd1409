#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
#
# What a fork may say: forged frames, and a burst of ordinary forks. Networks and
# their filter are the host's part: one kernel will do.
#
#	src, web-1 ... web-4: one closed network, the host its gateway and a
#	router; lan, lan-1, lan-2: one that is open
#
# Method. What passes is counted (lib-watch.sh). What was tried is seen by tcpdump
# on the TAP, before anything is dropped.
# shellcheck source=tests/vm/lib-watch.sh
. "$(dirname "$0")/lib-watch.sh"

REPEAT=3 # rawsend sends each frame so often
ALL_NODES=ff02::1

# --- an ordinary burst of forks ----------------------------------------------

forks_settle() {
	local forks

	forks=$(vmfork fork ready -n 4 --name web --json)
	holds "$forks" '.acked == 4 and
		all(.forks[]; .timeline_us.settled != null)' &&
		reachable src && reachable web-1 && reachable web-4
}

# --- frames that no kernel would send ----------------------------------------

# Any claim that is not web-1's own, and all that bears rawsend's marks.
watch_fork() {
	ports="iifname \"$tap\""
	watch_with "ether saddr != ${macs[web-1]}" "ip id 0xbad0" \
		"ip6 flowlabel 0xbad01" "ether type 8021q" \
		"arp saddr ip != ${ip4s[web-1]}" \
		"arp saddr ether != ${macs[web-1]}"
}

rawsend() { # KIND SOURCE-MAC TARGET-MAC SOURCE-IP TARGET-IP
	# a line each: a terminal takes 4096 bytes of one
	frames+="rawsend eth0 $* &&"$'\n'
	sent=$((sent + REPEAT))
}

# $frames becomes what the guest runs.
forge() {
	local own=${macs[web-1]} all=ff:ff:ff:ff:ff:ff six=33:33:00:00:00:01
	local other mac target

	frames='' sent=0
	for other in src web-2; do
		mac=${macs[$other]}
		for target in "$gw_mac" "${macs[web-3]}"; do
			rawsend ip4 "$mac" "$target" "${ip4s[$other]}" "$gw4"
			rawsend ip4 "$own" "$target" "${ip4s[$other]}" "$gw4"
			rawsend ip4 "$mac" "$target" "${ip4s[web-1]}" "$gw4"
			rawsend ip6 "$mac" "$target" "${ip6s[$other]}" "$gw6"
			rawsend ip6 "$own" "$target" "${ip6s[$other]}" "$gw6"
		done
		rawsend arp "$own" "$all" "${ip4s[$other]}" "$gw4"
		rawsend arp "$mac" "$all" "${ip4s[$other]}" "$gw4"
		rawsend na "$own" "$six" "${ip6s[web-1]}" "${ip6s[$other]}"
		rawsend na "$own" "$six" "${ip6s[$other]}" "${ip6s[$other]}"
		rawsend na "$mac" "$six" "${ip6s[$other]}" "${ip6s[$other]}"
	done
	rawsend arp "$own" "$all" "$gw4" "${ip4s[src]}"
	rawsend arp "$gw_mac" "$all" "$gw4" "${ip4s[src]}"
	rawsend na "$own" "$six" "${ip6s[web-1]}" "$gw6"
	rawsend ra "$own" "$six" "${ip6s[web-1]}" "$ALL_NODES"
	rawsend ra "$own" "$six" fe80::1 "$ALL_NODES"
	rawsend vlan "$own" "$gw_mac" "${ip4s[web-1]}" "$gw4"
	rawsend vlan "$own" "$gw_mac" "${ip4s[src]}" "$gw4"
}

# tcpdump has to see all of them come in, or nothing was tried.
send_forged() {
	local seen

	tcpdump -i "$tap" -Q in -U -w "$STATE/tried" 2>"$STATE/tcpdump" &
	tcpdump_pid=$!
	retry_until 10 grep -q 'listening on' "$STATE/tcpdump" || return
	forge
	guest web-1 "${frames}true" 60 || return
	retry_until 10 all_seen
	seen=$?
	kill "$tcpdump_pid"
	wait "$tcpdump_pid"
	return "$seen"
}

# The word vlan moves the offsets of all that follows it.
all_seen() {
	[ "$(tcpdump -r "$STATE/tried" -n "(not ether src ${macs[web-1]}) or
		ip[4:2] = 0xbad0 or (arp and not src host ${ip4s[web-1]}) or
		(ip6 and ip6[2:2] = 0xad01) or vlan" 2>/dev/null | wc -l)" -ge "$sent" ]
}

none_passes() {
	echo "$(counted lies) of $sent passed, of $(counted frames) frames"
	[ "$(counted lies)" = 0 ]
}

# The same mark on a frame that is honest in all else: it passes, and counts.
honest_passes() {
	guest web-1 "rawsend eth0 ip4 ${macs[web-1]} $gw_mac \
		${ip4s[web-1]} $gw4" && retry_until 10 marks_are "$REPEAT"
}

marks_are() { # NUMBER
	[ "$(counted lies)" = "$1" ]
}

neighbours_unmoved() {
	ip neighbour show nud permanent | sort
}

# --- who may talk to whom ----------------------------------------------------

guest_pings() { # VM ADDRESS
	guest "$1" "ping -c 1 -W 2 $2" >/dev/null
}

unreachable() { # VM ADDRESS
	! guest_pings "$@"
}

# A route through the gateway for what is on the link.
via_gateway() {
	guest web-1 "ip route add ${ip4s[web-2]}/32 via $gw4 dev eth0 &&
		ip -6 route add ${ip6s[web-2]}/128 via $gw6 dev eth0"
}

sysctl_forward() {
	echo 1 >/proc/sys/net/ipv4/ip_forward &&
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
}

both_ways() {
	local a b

	for a in lan-1 lan-2; do
		b=lan-$((3 - ${a#lan-}))
		guest_pings "$a" "${ip4s[$b]}" && guest_pings "$a" "${ip6s[$b]}" ||
			return
	done
}

needs tests/vm/guest/rawsend
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$STATE/guest.cpio.gz" \
	--add "/bin/rawsend=$BUILD/tests/vm/guest/rawsend" || bail "no initramfs"
export VMFORK_INITRD=$STATE/guest.cpio.gz
trap 'nothing_of_test 2>/dev/null; cleanup' EXIT

sysctl_forward || bail "no forwarding"
vmfork run src || bail "the source does not boot"
vmfork snapshot src ready || bail "there is no snapshot to fork"
net=$(vmfork net ls --json)
gw_mac=$(field "$net" '.[0].mac')
gw4=$(field "$net" '.[0].ipv4 | split("/")[0]')
gw6=$(field "$net" '.[0].ipv6 | split("/")[0]')
identity src

watch_parent || bail "the test's own rules are refused"
check "four forks wake up beside their source" forks_settle
sent=0
check "none of them speaks as its parent" none_passes
check "what they say as themselves is counted" test "$(counted frames)" -ge 8

for vm in web-1 web-2 web-3; do
	identity $vm
done
tap=$(vm_field web-1 .tap)
neighbours=$(neighbours_unmoved)
watch_fork || bail "the test's own rules are refused"
check "a hostile fork sends forged frames" send_forged
check "none of them passes" none_passes
check "an honest one with the same mark does" honest_passes
check "the host's neighbours are what they were" same "$neighbours" \
	"$(neighbours_unmoved)"
check "source and siblings are reached as before" eval \
	'reachable src && reachable web-2 && reachable web-1'

check "siblings do not meet over IPv4" unreachable web-1 "${ip4s[web-2]}"
check "siblings do not meet over IPv6" unreachable web-1 "${ip6s[web-2]}"
check "a fork may route through the gateway" via_gateway
check "nor do they meet there over IPv4" unreachable web-1 "${ip4s[web-2]}"
check "nor do they meet there over IPv6" unreachable web-1 "${ip6s[web-2]}"
check "the gateway itself answers" guest_pings web-1 "$gw4"

vmfork stop --all >/dev/null
vmfork net create open --open >/dev/null
vmfork run lan --net open || bail "a VM on the open network does not boot"
check "a VM on an open network is snapshotted" vmfork snapshot lan lan-ready
check "and forked" holds "$(vmfork fork lan-ready -n 2 --name lan --json)" \
	'.acked == 2'
identity lan-1
identity lan-2
check "there siblings meet" both_ways
nothing_of_test
done_testing
