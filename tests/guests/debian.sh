#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 900
#
# Debian with systemd, its own kernel and its own initrd, on a disk into which the
# agent was baked: forks serve from addresses of their own, systemd is content, and
# what else configures networks there leaves them alone.
# shellcheck source=/dev/null # it ends with exit: all would be unreachable
. "$(dirname "$0")/../vm/lib.sh"
# shellcheck source=tests/guests/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"

FORKS=4
WAIT_S=120 # for what a guest does by itself, on an emulator
made=$BUILD/guests/debian
interface=enp0s1

# --- the image ---------------------------------------------------------------

make_image() {
	mkdir "$STATE/root" && tar -C "$STATE/root" -xf "$made/root.tar" &&
		make_disk "$STATE/root" 600M
}

# What is masked is what the other one is tested without.
boots() { # VM MASKED...
	local vm=$1 words='root=/dev/vda console=ttyS0 quiet loglevel=1'

	shift
	vmfork run "$vm" --kernel "$made/vmlinuz" --initrd "$made/initrd" \
		--disk "$disk" --memory 512M --timeout $WAIT_S \
		--append "$words $(printf ' systemd.mask=%s' "$@")" &&
		answers "$vm" $WAIT_S
}

# --- what has to hold --------------------------------------------------------

# Neither degraded nor still starting.
is_running() { # VM
	# its status says it: what the kernel says comes to the same console
	guest "$1" 'systemctl is-system-running --wait' $WAIT_S || {
		guest "$1" 'systemctl --failed --no-legend --no-pager; systemctl list-jobs'
		return 1
	}
}

# A fork has another machine id, and journald goes on under the one that it began
# with: journalctl shows that only if it is asked for all there are.
journal_tells() { # VM PATTERN
	guest "$1" 'journalctl -m -q --no-pager -o cat -u vmfork-agent' | grep -E "$2"
}

# The parent's client is not the fork's.
has_no_client() { # VM
	same '' "$(guest "$1" "ss -Htn state established '( sport = :80 )'")"
}

check_vm() { # VM
	check_served "$1"
	check "$1: systemd is content" is_running "$1"
}

check_forks() { # SOURCE FORKS
	local i

	check_acked "$1" "$2"
	for ((i = 1; i <= $2; i++)); do
		check_vm "$1-$i"
		check "$1-$i: its journal tells of it" journal_tells "$1-$i" \
			'generation 1 by [a-z]+: applied'
		check "$1-$i: it has a name of its own" same "$1-$i" \
			"$(guest "$1-$i" 'cat /etc/hostname')"
		check "$1-$i: no client is left" has_no_client "$1-$i"
	done
}

# --- each of those who configure networks ------------------------------------

# It runs, knows the interface, and keeps off it.
networkd_is_off() { # VM
	guest "$1" 'systemctl is-active systemd-networkd &&
grep -x ADMIN_STATE=unmanaged /run/systemd/netif/links/2'
}

with_networkd() {
	local client

	check "networkd: it boots" boots net networking.service ||
		bail "no source"
	check_vm net
	check "networkd: it runs, and keeps off" networkd_is_off net
	exec {client}<>"/dev/tcp/$(vm_field net '.ipv4 | split("/")[0]')/80"
	printf 'GET /cgi-bin/who HTTP/1.0\r\n' >&"$client"
	check_forks net $FORKS
	printf '\r\n' >&"$client"
	check "the source goes on with its client" same "$(vm_field net .mac)" \
		"$(timeout 60 tail -n 1 <&"$client")"
	exec {client}>&-
	guest net-1 'systemctl restart systemd-networkd' $WAIT_S
	check "networkd, started again, keeps off a fork" networkd_is_off net-1
	check "which has its own network" has_own_network net-1
}

# It notes what it has configured.
ifupdown_is_off() { # VM
	same no "$(guest "$1" "! grep -s $interface /run/network/ifstate &&
systemctl show -P ConditionResult networking")"
}

with_ifupdown() {
	check "ifupdown: it boots" boots ifs systemd-networkd.service \
		systemd-networkd.socket systemd-networkd-wait-online.service ||
		bail "no source"
	check_vm ifs
	check "ifupdown: it keeps off" ifupdown_is_off ifs
	check_forks ifs 1
	guest ifs-1 'systemctl restart networking' $WAIT_S
	check "ifupdown, started again, keeps off a fork" ifupdown_is_off ifs-1
	check "which has its own network" has_own_network ifs-1
}

[ -e "$made/root.tar" ] || skip_all "there is no $made: make check-guests"
check "a disk" make_image || bail "no disk"
check "the agent is baked" vmfork bake "$disk" --modules 6.12
check "its file system is sound" e2fsck -fn "$disk"
with_networkd
vmfork stop --all
with_ifupdown
done_testing
