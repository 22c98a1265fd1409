# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What real guests share; sourced after vm/lib.sh.

disk=$STATE/disk

# --- what is baked into ------------------------------------------------------

# Busybox and modules of the test guest, without agent and first process. The
# kernel's own modules are where modprobe looks for them.
make_root() { # DIRECTORY
	local release

	release=$(cat "$BUILD/kernels/$KERNEL/version")
	mkdir -p "$1"
	(cd "$1" && gzip -dc "$VMFORK_INITRD" | cpio -id --quiet) || return
	rm "$1/sbin/vmfork-agent" "$1/init"
	install "$ROOT/tests/guests/autologin" "$1/usr/sbin/"
	mv "$1"/lib/modules/*.ko "$1/lib/modules/$release/"
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$1" "$release" 2>/dev/null
}

make_disk() { # DIRECTORY SIZE
	truncate -s "$2" "$disk" && mke2fs -q -F -t ext4 -d "$1" "$disk" || return
	rm -rf "$1"
}

# --- what has to hold --------------------------------------------------------

# The page is of the moment: it says who serves it. The server logs the word.
web() { # ADDRESS WORD
	# shellcheck disable=SC2016 # that shell expands
	timeout 60 bash -c 'exec 3<>"/dev/tcp/$1/80" &&
		printf "GET /cgi-bin/who?%s HTTP/1.0\r\n\r\n" "$2" >&3 &&
		tail -n 1 <&3' web "$@"
}

serves() { # VM
	local mac ipv4

	mac=$(vm_field "$1" .mac) && ipv4=$(vm_field "$1" .ipv4) &&
		same "$mac" "$(web "${ipv4%/*}" "$1")"
}

# What guests/autologin noted. An agent is ready once it has the network too.
armed_before_login() { # VM
	local status

	status=$(guest "$1" 'cat /run/at-login') &&
		holds "$status" '.running and .gpa != 0 and
			.timestamps_ns.applied != null'
}

check_served() { # VM
	check "$1: it has its own network, and no other" has_own_network "$1"
	check "$1: it is reachable" reachable "$1"
	check "$1: it serves" serves "$1"
}

# They are named after their source.
check_acked() { # SOURCE FORKS [OPTION]...
	local said

	check "$1: a snapshot" vmfork snapshot "$1" "of-$1"
	said=$(vmfork fork "of-$1" -n "$2" --name "$1" --timeout 60 --json "${@:3}")
	check "$1: its forks acknowledge" holds "$said" ".acked == $2 and
		.failed == 0 and all(.forks[]; .verified)"
}
