#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Boot a VM, snapshot it, fork it, and ping every fork: what `make demo` runs. An
# example of the installed command as well, which makes its guest of a kernel that
# is installed; that wants busybox-static, cpio, iputils-ping, jq and
# linux-image-cloud-amd64.
#
#	demo.sh [OPTION]...	of `vmfork run`, as --accel tcg
#
# Needs root, or a user and network namespace; works in a state directory of its
# own and removes all that it made.
#
#	VMFORK		the command (default vmfork)
#	VMFORK_KERNEL	the guest's kernel (default the newest in /boot)
#	VMFORK_INITRD	its initramfs, with the agent (default made for the demo)
#	TMPDIR		where the state directory is made (default /tmp)
set -u

FORKS=4
PING_TRIES=5
here=$(dirname "$(realpath "$0")")
vmfork=${VMFORK:-vmfork}

show() { # COMMAND...: what a newcomer could type, and do it
	echo
	echo "\$ $*"
	"$@"
}

say() { # COMMAND...: the same of ours
	echo
	echo "\$ vmfork $*"
	"$vmfork" "$@"
}

cleanup() {
	local net

	"$vmfork" stop --all >/dev/null
	for net in $("$vmfork" net ls --json | jq -r '.[].name'); do
		"$vmfork" net rm "$net" >/dev/null
	done
	rm -rf "$work"
}

fail() { # WHY
	echo "demo: $*" >&2
	exit 1
}

answers() { # -4|-6 ADDRESS
	ping "$1" -n -q -c 1 -i 0.2 -W "$PING_TRIES" "$2" >/dev/null 2>&1
}

# One line for each fork; counts in $answered.
ping_forks() {
	local name ip4 ip6 word4 word6

	answered=0
	echo
	printf '%-8s %-22s %s\n' PING IPV4 IPV6
	while read -r name ip4 ip6; do
		word4=silent word6=silent
		answers -4 "$ip4" && word4=answers answered=$((answered + 1))
		answers -6 "$ip6" && word6=answers answered=$((answered + 1))
		printf '%-8s %-22s %s\n' "$name" "$ip4 $word4" "$ip6 $word6"
	done
}

# With the agent baked in, as into any image.
make_guest() {
	local release

	VMFORK_KERNEL=$(printf '%s\n' /boot/vmlinuz-* | sort -V | tail -n 1)
	VMFORK_INITRD=$work/guest.cpio.gz
	export VMFORK_KERNEL VMFORK_INITRD
	release=${VMFORK_KERNEL#/boot/vmlinuz-}
	[ -e "$VMFORK_KERNEL" ] || fail "no kernel in /boot: install" \
		"linux-image-cloud-amd64, or set VMFORK_KERNEL and VMFORK_INITRD"
	{ show "$here/guest/build.sh" --kernel "$release" \
		--out "$VMFORK_INITRD" && say bake "$VMFORK_INITRD"; } ||
		fail "no guest"
}

for program in "$vmfork" jq ping; do
	command -v "$program" >/dev/null || fail "$program: not installed"
done
work=$(mktemp -d) || exit 1
export VMFORK_STATE=$work/state
# Signals become an exit, which cleans up; a command that runs ends by itself.
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
# A fresh network namespace has it down.
ip link set lo up 2>/dev/null

[ -n "${VMFORK_INITRD:-}" ] || make_guest
say run source "$@" || fail "the source did not boot"
say snapshot source ready || fail "no snapshot"
say fork ready -n $FORKS --name web || status=$?
say ps

forks=$("$vmfork" ps --json |
	jq -r '.[] | select(.snapshot == "ready")
		| "\(.name) \(.ipv4) \(.ipv6)"' | sed 's|/[0-9]*||g')
acked=$(while read -r name _; do
	"$vmfork" inspect "$name" --json
done <<<"$forks" | jq -s 'map(select(.fork.timeline_us.acked)) | length')
answered=0
ping_forks <<<"$forks"

echo
echo "$acked of $FORKS forks acknowledged," \
	"$answered of $((2 * FORKS)) pings answered"
[ "${status:-0}" = 0 ] && [ "$acked" = $FORKS ] &&
	[ $answered = $((2 * FORKS)) ]
