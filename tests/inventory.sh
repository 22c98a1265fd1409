#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print what this machine holds that vmfork could have put there, in a form that
# two calls can be compared by. It only looks: what a test left behind is a
# fault to be seen, not to be swept away.
#
# Names and states, no counters or times; index numbers of links differ from run
# to run, and the kernel's own neighbour entries come and go.
export LC_ALL=C
tree=$(cd "$(dirname "$0")/.." && pwd)

section() {
	sed "s/^/$1: /" | sort
}

links() {
	ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/'
}

addresses() {
	ip -o address show | awk '{ print $2, $3, $4 }'
}

routes() {
	ip -4 route show table all
	ip -6 route show table all | sed 's/ expires [^ ]*//'
}

permanent_neighbours() {
	ip neighbour show nud permanent
}

qdiscs() {
	tc qdisc show 2>/dev/null | sed 's/ [0-9a-f]*: / /'
}

fdb() {
	bridge fdb show 2>/dev/null | grep -v ' self '
}

rules() {
	nft -s list ruleset 2>/dev/null | sed 's/ counter packets.*//'
}

network_namespaces() {
	ip netns list
}

processes() {
	for dir in /proc/[0-9]*; do
		read -r name 2>/dev/null <"$dir/comm" || continue
		case $name in
		vmfork* | qemu* | firecracker | tcpdump)
			tr '\0' ' ' 2>/dev/null <"$dir/cmdline" &&
				echo "($name)"
			;;
		esac
	done
}

sockets() {
	ss -Hxl 2>/dev/null | awk '$5 ~ /vmfork|qmp/ { print "unix", $5 }'
	ss -Hunl 2>/dev/null | awk '{ print "udp", $4 }'
}

# State directories, and leases in them; the tests' own are under BUILD/tests. The
# tree itself may have a name like ours.
files() {
	find /var/lib/vmfork /run/vmfork /tmp/vmfork* /dev/shm \
		"${BUILD:-build}/tests/state" \
		-path "$tree" -prune -o -print 2>/dev/null
	grep vmfork /proc/self/mounts
}

links | section link
addresses | section address
routes | section route
permanent_neighbours | section neighbour
qdiscs | section qdisc
fdb | section fdb
rules | section nft
network_namespaces | section netns
processes | section process
sockets | section socket
files | section file
