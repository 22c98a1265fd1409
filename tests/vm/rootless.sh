#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 180
# All of it by somebody who is not root: a user of its own in a user, network
# and mount namespace, with files of its own.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

USER_ID=4711 # nobody's
NAMESPACES=(unshare --user --map-root-user --net --mount)

# Udev lets everybody open /dev/net/tun; a container without udev may not. Then
# the user gets a node of the same device that it may open.
as_user() { # COMMAND...
	# shellcheck disable=SC2016 # the inner shell expands
	unshare --mount bash -c '
		[ ! -e "$1" ] || mount --bind "$1" /dev/net/tun || exit
		shift
		exec "$@"' as_user "$tun" \
		setpriv --reuid $USER_ID --regid $USER_ID --clear-groups "$@"
}

prepare() {
	home=$(mktemp -d /tmp/vmfork-rootless.XXXXXX) || bail "no directory"
	tun=$home/none
	# the tree itself may lie where only its owner may look
	cp "$VMFORK" "$home/vmfork"
	cp "$VMFORK_KERNEL" "$home/kernel"
	cp "$VMFORK_INITRD" "$home/initrd"
	mkdir "$home/state"
	chown -R $USER_ID:$USER_ID "$home"
	as_user test -w /dev/net/tun || {
		tun=$STATE/tun
		mknod -m 666 "$tun" c 10 200
	}
}

remove_home() {
	rm -rf "$home"
	cleanup
}

pings() {
	local ip4 ip6

	while read -r ip4 ip6; do
		retry_until 5 ping4 "$ip4" && retry_until 5 ping6 "$ip6" ||
			return
	done < <(field "$forks" '.forks[] | "\(.ipv4) \(.ipv6)"')
}

is_clean() {
	local links

	links=$(ip -o link show | grep -cv ": lo:")
	[ "$links" = 0 ] && [ -z "$(vmfork gc)" ] &&
		[ "$(vmfork ps --json | jq length)" = 0 ]
}

# The rest runs in the namespaces, in a shell that has these functions.
inside() {
	local forks

	ip link set lo up
	check "a source boots" vmfork run source
	check "it is snapshotted" vmfork snapshot source ready
	forks=$(vmfork fork ready -n 2 --json)
	check "two forks acknowledge" holds "$forks" \
		'.acked == 2 and all(.forks[]; .verified)'
	check "they answer over IPv4 and IPv6" pings
	check "all are stopped" vmfork stop --all
	check "the snapshot is removed" vmfork rmi ready
	check "the network is removed" vmfork net rm default
	check "nothing is left" is_clean
}

owned_by_user() {
	[ -z "$(find "$home/state" ! -user "$USER_ID")" ]
}

setpriv --reuid $USER_ID --clear-groups true 2>/dev/null ||
	skip_all "needs root, to become somebody else"
prepare
trap remove_home EXIT
as_user "${NAMESPACES[@]}" true 2>/dev/null ||
	skip_all "user namespaces are not permitted here"
as_user env VMFORK="$home/vmfork" VMFORK_STATE="$home/state" \
	VMFORK_KERNEL="$home/kernel" VMFORK_INITRD="$home/initrd" \
	"${NAMESPACES[@]}" bash -c "$(declare -f); points=0; inside" \
	>"$STATE/log"
cat "$STATE/log"
points=$(grep -cE '^(not )?ok - ' "$STATE/log")
check "the user went through all of it" test "$points" = 8
check "all files are the user's" owned_by_user
done_testing
