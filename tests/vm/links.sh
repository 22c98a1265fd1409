#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 7.2
# time: 240
#
# Two interfaces, on networks a and b: forks with other networks, addresses, MAC,
# MTU and routes by hand, one family only; and mail for an interface that is found
# by its index or name. What is not named is left alone, what cannot be is refused.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# One fact a line of an interface: MAC, MTU, and each address, if it is usable.
facts() { # VM DEVICE
	guest "$1" "cat /sys/class/net/$2/address /sys/class/net/$2/mtu
ip -o addr show dev $2" | awk '
		NF == 1 { print }
		$3 ~ /^inet6?$/ {
			print $4 (/tentative|dadfailed/ ? " unusable" : "")
		}' | sort
}

# Has the guest's k-th interface just what is listed, and its link-local address?
has_link() { # VM K MTU ADDRESS...
	local vm=$1 k=$2 mtu=$3 mac

	shift 3
	mac=$(vm_field "$vm" ".links[$k].mac") || return
	same "$(printf '%s\n' "$mac" "$mtu" "$@" "$(linklocal "$mac")/64" | sort)" \
		"$(facts "$vm" "eth$k")"
}

# The same, with what the host says that it has.
has_own_links() { # VM MTU0 MTU1
	local vm=$1 k addresses

	shift
	for k in 0 1; do
		readarray -t addresses < <(vm_field "$vm" \
			".links[$k] | .ipv4, .ipv6, .more[]? | select(.)")
		has_link "$vm" "$k" "$1" "${addresses[@]}" || return
		shift
	done
}

pings() { # ADDRESS...
	local address

	for address; do
		case $address in
		*:*) retry_until 5 ping6 "$address" ;;
		*) retry_until 5 ping4 "$address" ;;
		esac || {
			echo "$address does not answer"
			return 1
		}
	done
}

# All addresses of a VM.
all_ping() { # VM
	local all

	readarray -t all < <(vm_field "$1" \
		'.links[] | .ipv4, .ipv6, .more[]? | select(.)')
	pings "${all[@]}"
}

routes() { # VM
	guest "$1" 'ip route; ip -6 route'
}

# A route with these words, in any order.
has_route() { # VM DESTINATION WORDS...
	local vm=$1 line word

	shift
	line=$(routes "$vm" | grep "^$1") || return
	shift
	for word; do
		[[ " $line " == *" $word "* ]] || {
			echo "no '$word' in: $line"
			return 1
		}
	done
}

# The default route of each family is the first interface's, and the only one.
has_defaults() { # VM GATEWAY4 GATEWAY6
	same "$(printf '%s\n' "default via $2 dev eth0" "default via $3 dev eth0")" \
		"$(routes "$1" | grep -o '^default via [^ ]* dev [^ ]*')"
}

# All neighbours but the gateways, which the mail names.
neighbours() { # VM
	guest "$1" 'ip neigh' | grep -v '^10\.7[0-9]\.0\.1 \|^fd7[0-9]::1 ' |
		sed -E 's/ lladdr / /; s/ used .* / /' | sort
}

# Mail that names an interface in another way than vmfork's does.
post() { # VM name|index NIC NAME|INDEX
	local id

	id=$(timeout 30 "$BUILD/tests/vm/postmail" "$@") &&
		retry_until 15 agent_says "$1" ".restore_id == \"$id\"
			and .error == null and .stage == \"settled\""
}

# As many other facts; its MTU, which the mail does not name, is left.
has_changed() { # BEFORE AFTER
	same "$(wc -l <<<"$1")" "$(wc -l <<<"$2")" &&
		same "$(grep -x '[0-9]*' <<<"$1")" \
			"$(comm -12 <(echo "$1") <(echo "$2"))"
}

check_posts() { # VM
	local vm=$1 index eth0 eth1 now0 now1

	eth0=$(facts "$vm" eth0) eth1=$(facts "$vm" eth1)
	index=$(guest "$vm" 'cat /sys/class/net/eth0/ifindex')
	check "mail for an interface's index" post "$vm" index 0 "$index"
	now0=$(facts "$vm" eth0)
	check "changes that interface" has_changed "$eth0" "$now0"
	check "and no other" same "$eth1" "$(facts "$vm" eth1)"
	check "without a gateway in it, IPv6 keeps the one that it had" same \
		"$(printf '%s\n' 'fd79::/64 dev eth0' 'fe80::/64 dev eth0' \
			'default via fd79::1 dev eth0')" \
		"$(routes "$vm" | grep -oE '^(default via )?f[de][^ ]* dev eth0')"
	check "mail for an interface's name" post "$vm" name 1 eth1
	now1=$(facts "$vm" eth1)
	check "changes that one" has_changed "$eth1" "$now1"
	check "and no other either" same "$now0" "$(facts "$vm" eth0)"
}

other_is_left() { # VM
	same "$other" "$(facts "$1" other)"
}

needs tests/vm/postmail
for net in 'a 10.77.0.1/16 fd77::1/64' 'b 10.78.0.1/24 fd78::1/64' \
	'c 10.79.0.1/16 fd79::1/64'; do
	read -r name ipv4 ipv6 <<<"$net"
	vmfork net create "$name" --ipv4 "$ipv4" --ipv6 "$ipv6" ||
		bail "no network $name"
done

boot src --net a --net b || bail "no source"
check "a source has two interfaces" has_own_links src 1500 1500
check "each answers" all_ping src
check "one default route" has_defaults src 10.77.0.1 fd77::1
guest src 'ip link add other type dummy && ip link set other up &&
ip addr add 192.0.2.77/24 dev other' || bail "no further interface"
other=$(facts src other)
guest src 'arp -s 10.77.9.9 02:00:00:00:09:09 &&
arp -s 10.77.9.10 02:00:00:00:09:0a temp' || bail "no neighbours"
check "a source has neighbours" same "$(printf '%s\n' \
	'10.77.9.10 dev eth0 02:00:00:00:09:0a STALE' \
	'10.77.9.9 dev eth0 02:00:00:00:09:09 PERMANENT')" "$(neighbours src)"
vmfork snapshot src ready || bail "no snapshot"
check "the snapshot knows both networks" holds \
	"$(vmfork inspect ready)" '.networks == ["a", "b"]'

forked=$(vmfork fork ready --name x --json --net c --net a \
	--ip 10.77.3.9 --ip 10.77.3.10/16 --ip fd77::99 \
	--mac 06:00:00:00:00:07 --mtu 1400 \
	--route '10.99.0.0/16 via 10.77.0.1 metric 7 src 10.77.3.10' \
	--route 'blackhole 198.51.100.0/24')
check "a fork with all by hand is acknowledged" holds "$forked" '.acked == 1'
check "its links are told" holds "$forked" '.forks[0]
	| .verified == true and .network == "c" and (.ipv4 | startswith("10.79."))
	and ([.links[].net] == ["c", "a"]) and all(.links[]; .verified)
	and (.links[0] | .mtu == null and (.ipv6 | startswith("fd79::")))
	and (.links[1] | .mac == "06:00:00:00:00:07" and .mtu == 1400
		and .ipv4 == "10.77.3.9/16" and .ipv6 == "fd77::99/64"
		and .more == ["10.77.3.10/16"])'
check "it has them" has_own_links x-1 1500 1400
check "all its addresses answer" all_ping x-1
check "its default routes" has_defaults x-1 10.79.0.1 fd79::1
check "its second interface has IPv6, and no gateway" same \
	"$(printf '%s\n' 'fd77::/64 dev eth1' 'fe80::/64 dev eth1')" \
	"$(routes x-1 | grep -oE '^(default via )?f[de][^ ]* dev eth1')"
check "its route" has_route x-1 10.99.0.0/16 'via 10.77.0.1' 'dev eth1' \
	'metric 7' 'src 10.77.3.10'
check "its black hole" has_route x-1 'blackhole 198.51.100.0/24'
check "what its mail does not name is left alone" other_is_left x-1
check "of its neighbours only permanent ones are left" same \
	'10.77.9.9 dev eth0 02:00:00:00:09:09 PERMANENT' "$(neighbours x-1)"

forked=$(vmfork fork ready --name y --json --net a --no-ipv4 --mtu 1300 \
	--net b --no-ipv6)
check "a fork acknowledges over IPv6 alone" holds "$forked" '.acked == 1
	and (.forks[0] | .ipv4 == null and .verified and .links[0].mtu == 1300
		and .links[1].ipv6 == null)'
check "one interface has IPv6 only, the other IPv4" has_own_links y-1 1300 1500
check "each of its addresses answers" all_ping y-1
check "its default routes are each where the family is" same \
	"$(printf '%s\n' 'default via 10.78.0.1 dev eth1' 'default via fd77::1 dev eth0')" \
	"$(routes y-1 | grep -o '^default via [^ ]* dev [^ ]*')"

note_state
check "an address that is leased" says 1 'leased to x-1' \
	vmfork fork ready --net c --net a --ip 10.77.3.10
check "a MAC that is leased" says 1 'leased to x-1' \
	vmfork fork ready --net c --net a --mac 06:00:00:00:00:07
check "more networks than interfaces" says 2 'has 2 interfaces' \
	vmfork fork ready --net a --net b --net c
check "two interfaces on one network" says 1 'b: named twice' \
	vmfork fork ready --net b
check "a route that the interface cannot have" says 1 'no address of its family' \
	vmfork fork ready --no-ipv6 --route '2001:db8::/32 via fd77::1'
check "refusals leave nothing" left_nothing

vmfork snapshot x-1 again || bail "no snapshot of a fork"
forked=$(vmfork fork again --name z --json)
check "a fork of a fork is on its parent's networks" holds "$forked" '.acked == 1
	and (.forks[0] | ([.links[].net] == ["c", "a"])
		and ([.links[].mtu] == [null, 1400]) and .verified)'
check "with addresses of its own" has_own_links z-1 1500 1400
check "which answer" all_ping z-1
check "the source's are as they were" has_own_links src 1500 1500
check "and answer" all_ping src
check_posts z-1
done_testing
