#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 900
#
# Debian with systemd, its own kernel and its own initrd, on a disk into which the
# agent was baked: forks serve from addresses of their own, systemd is content, and
# what else configures networks there, all at once, leaves them alone.
# shellcheck source=/dev/null # it ends with exit: all would be unreachable
. "$(dirname "$0")/../vm/lib.sh"
# shellcheck source=tests/guests/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"

FORKS=4
WAIT_S=300 # for what a guest does by itself, on an emulator
RESOLVER=192.0.2.53
made=$BUILD/guests/debian
interface=enp0s1
# Each of those who configure networks has an address that it would give.
others='192\.0\.2\.'

# --- the image ---------------------------------------------------------------

make_image() {
	mkdir "$STATE/root" && tar -C "$STATE/root" -xf "$made/root.tar" &&
		make_disk "$STATE/root" 600M
}

boots() { # VM
	timeout $WAIT_S "$VMFORK" run "$1" --kernel "$made/vmlinuz" \
		--initrd "$made/initrd" --disk "$disk" --memory 512M \
		--timeout $WAIT_S \
		--append 'root=/dev/vda console=ttyS0 quiet loglevel=1' &&
		answers "$1" $WAIT_S
}

# --- what systemd says -------------------------------------------------------

# In one go, for each command of a fork's is the first of its kind.
# shellcheck disable=SC2016 # the guest's shell expands
facts='echo "systemd is $(systemctl is-system-running --wait)"
echo "failed units: $(systemctl --failed --plain --no-legend | wc -l)"
echo "running:" $(systemctl is-active network-online.target systemd-networkd NetworkManager)
echo "networkd: $(grep ^ADMIN /run/systemd/netif/links/2)"
echo "NetworkManager: $(nmcli -g GENERAL.STATE device show enp0s1)"
echo "ifupdown: $(systemctl show -P ConditionResult networking)" \
$(grep -s enp0s1 /run/network/ifstate)
echo "clients: $(ss -Htn state established "( sport = :80 )" | wc -l)"'

facts_wanted() { # CLIENTS
	cat <<-END
		systemd is running
		failed units: 0
		running: active active active
		networkd: ADMIN_STATE=unmanaged
		NetworkManager: 10 (unmanaged)
		ifupdown: no
		clients: $1
	END
}

facts_hold() { # VM [CLIENTS]
	same "$(facts_wanted "${2:-0}")" "$(guest "$1" "$facts" $WAIT_S)"
}

# The unit is up once the network is, and network-online.target after it.
online_is_late() { # VM
	local text

	# shellcheck disable=SC2016 # the guest's shell expands
	text=$(guest "$1" 'for unit in vmfork-agent network-online.target; do
systemctl show -P ActiveEnterTimestampMonotonic $unit; done; vmfork-agent status') ||
		return
	echo "$text"
	jq -se '.[2].timestamps_ns.applied / 1000 <= .[0] and .[0] <= .[1]' \
		<<<"$text" >/dev/null
}

# Of its own name, and by whom it was told to.
names_are_own() { # VM
	# shellcheck disable=SC2016 # the guest's shell expands
	same "$1 nameserver $RESOLVER" \
		"$(guest "$1" 'echo $(cat /etc/hostname /etc/resolv.conf)')"
}

# --- its journal -------------------------------------------------------------

# shellcheck disable=SC2016 # the guest's shell expands
own_journal='[ -e /var/log/journal/$(cat /etc/machine-id)/system.journal ]'

# Under its own machine id, with what was before it; and services are connected to
# it as they were.
journal_tells() { # VM GENERATION
	local text

	retry_until $WAIT_S guest "$1" "$own_journal" || return
	# a restart of journald that is still going on
	guest "$1" 'systemctl start vmfork-journal' $WAIT_S
	serves "$1" || return
	text=$(guest "$1" 'journalctl -q --no-pager -o cat -u vmfork-agent -u web' \
		$WAIT_S)
	echo "$text"
	grep -qE "generation $2 by [a-z]+: applied" <<<"$text" &&
		grep -q 'generation 0 by boot: applied' <<<"$text" &&
		[ "$(grep -cx "asked by $1" <<<"$text")" -ge 2 ]
}

# --- source and forks --------------------------------------------------------

check_source() {
	check "it boots" boots deb || bail "no source"
	check_served deb
	check "deb: systemd is content, others keep off" facts_hold deb
	check "deb: its journal tells of it" journal_tells deb 0
	check "deb: it is online once it has its network" online_is_late deb
}

check_fork() { # VM
	check_served "$1"
	check "$1: systemd is content, others keep off, no client is left" \
		facts_hold "$1"
	check "$1: its journal tells of it" journal_tells "$1" 1
	check "$1: name and resolver are its own" names_are_own "$1"
}

check_forks() {
	local client i

	exec {client}<>"/dev/tcp/$(vm_field deb '.ipv4 | split("/")[0]')/80"
	printf 'GET /cgi-bin/who HTTP/1.0\r\n' >&"$client"
	check "deb: it has a client" facts_hold deb 1
	check_acked deb $FORKS --dns $RESOLVER
	# at once: the server waits for a minute
	printf '\r\n' >&"$client"
	check "deb: it goes on with its client" same "$(vm_field deb .mac)" \
		"$(timeout 60 tail -n 1 <&"$client")"
	exec {client}>&-
	for ((i = 1; i <= FORKS; i++)); do
		check_fork "deb-$i"
	done
}

# --- those who configure networks --------------------------------------------

# As they do when they begin, are told to read all anew, and see the device anew.
check_poked() { # VM
	check "$1: all of them begin again" guest "$1" \
		'systemctl restart systemd-networkd NetworkManager networking' $WAIT_S
	guest "$1" "udevadm trigger --settle --action=add /sys/class/net/$interface
networkctl reconfigure $interface
nmcli general reload; nmcli networking connectivity check" $WAIT_S
	check "$1: they keep off still" facts_hold "$1"
	check "$1: it has its own network still" has_own_network "$1"
	check "$1: and its own resolver" names_are_own "$1"
}

# As a link is found at boot by who configures it.
spoiled() { # VM COMMANDS
	guest "$1" "systemctl stop NetworkManager systemd-networkd.socket systemd-networkd
ip link set $interface down; ip addr flush dev $interface
$2" $WAIT_S
	retry_until $WAIT_S guest "$1" \
		"ip -o addr show dev $interface | grep '$others'" $WAIT_S
}

# It is what the unit does that keeps them off: without it they would not.
check_spoiled() { # VM
	check "$1: NetworkManager would configure it" spoiled "$1" \
		'rm /run/NetworkManager/conf.d/vmfork.conf
systemctl start NetworkManager'
	check "$1: networkd would" spoiled "$1" \
		'rm /run/systemd/network/00-vmfork.network
systemctl start systemd-networkd'
	check "$1: ifupdown would" spoiled "$1" \
		'rm /usr/lib/systemd/system/networking.service.d/vmfork.conf
systemctl daemon-reload; systemctl restart networking'
}

[ -e "$made/root.tar" ] || skip_all "there is no $made: make check-guests"
check "a disk" make_image || bail "no disk"
check "the agent is baked" vmfork bake "$disk" --modules 6.12
check "its file system is sound" e2fsck -fn "$disk"
check_source
check_forks
check_poked deb-1
check_spoiled deb-2
# which has been left to itself for as long as all of that took
check "deb-$FORKS: it has its own network still" has_own_network "deb-$FORKS"
done_testing
