# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What tests of what VMs say share, on top of lib.sh: frames that pass are
# counted by rules of the test's own in the bridge family, in its hooks input (to
# the host) and forward (to other ports). Both come after the project's filter and
# after the bridge's own check of locked ports, and know the port through which a
# frame came in. That they count is shown by frames that may pass.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

declare -A macs ip4s ip6s

# Count what comes from $ports, and what of that each match finds, in both hooks.
watch_with() { # MATCHES...
	local match hook

	nft delete table bridge watch 2>/dev/null
	nft add table bridge watch
	nft add counter bridge watch lies
	nft add counter bridge watch frames
	for hook in input forward; do
		nft "add chain bridge watch $hook {" \
			"type filter hook $hook priority 200; }"
		nft add rule bridge watch $hook "$ports" counter name frames
		for match; do
			nft add rule bridge watch $hook "$ports" "$match" \
				counter name lies || return
		done
	done
}

counted() { # COUNTER
	nft -j list counter bridge watch "$1" |
		jq '.nftables[] | .counter? // empty | .packets'
}

nothing_of_test() {
	nft delete table bridge watch
}

identity() { # VM: sets its entry in macs, ip4s and ip6s
	local mac ip4 ip6

	read -r mac ip4 ip6 < <(vm_field "$1" '"\(.mac) \(.ipv4) \(.ipv6)"')
	macs[$1]=$mac ip4s[$1]=${ip4%/*} ip6s[$1]=${ip6%/*}
}

# From before the first of them runs: any port but the source's.
watch_parent() {
	ports="iifname != \"$(vm_field src .tap)\""
	watch_with "ether saddr ${macs[src]}" "ip saddr ${ip4s[src]}" \
		"ip6 saddr ${ip6s[src]}" "arp saddr ip ${ip4s[src]}" \
		"arp saddr ether ${macs[src]}"
}
