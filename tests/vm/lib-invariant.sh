# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What tests share whose guest's memory tells when it was put together from
# several moments (tests/vm/guest/invariant).
# shellcheck source=tests/vm/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PAGES=1024
ROUNDS=3 # enough that each page was looked at since the snapshot

# rounds=N broken=N of the guest's program
invariant() { # VM
	guest "$1" 'invariant say /tmp/invariant'
}

value() { # WORD TEXT
	sed -n "s/.*$1=\([0-9]*\).*/\1/p" <<<"$2"
}

has_gone_on() { # VM ROUNDS
	[ "$(value rounds "$(invariant "$1")")" -ge "$2" ]
}

# Nothing is broken, also after all of it was looked at once more.
check_invariant() { # WHAT VM
	local rounds

	rounds=$(value rounds "$(invariant "$2")")
	check "$1: the program goes on" retry_until 30 has_gone_on "$2" \
		$((${rounds:-0} + ROUNDS))
	check "$1: its memory is of one moment" same 0 \
		"$(value broken "$(invariant "$2")")"
}

is_broken() { # VM
	[ "$(value broken "$(invariant "$1")")" -gt 0 ]
}

check_branch() { # MODE VM SNAPSHOT [MODE_TAKEN]
	local said

	said=$(vmfork snapshot "$2" "$3" --mode "$1" --json)
	check "$1 of $2: it is ready" holds "$said" ".status == \"ready\" and
		.mode == \"${4:-$1}\" and .pause_us > 0"
	check "$1 of $2: a fork" holds "$(vmfork fork "$3" --name "of-$3" \
		--json)" '.acked == 1 and .failed == 0'
	check "$1 of $2: it has its own network" has_own_network "of-$3-1"
	check_invariant "$1 of $2" "of-$3-1"
}

# Is the memory of a snapshot that of one moment?
moment() { # SNAPSHOT PAGES
	"$BUILD/tests/vm/moment" "$@"
}

invariant_initramfs() {
	export VMFORK_INITRD=$notes/guest.cpio.gz
	"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
		--agent "$BUILD/vmfork-agent" --out "$VMFORK_INITRD" \
		--add "/bin/invariant=$BUILD/tests/vm/guest/invariant"
}

invariant_runs() { # VM
	guest "$1" "invariant run /tmp/invariant $PAGES </dev/null >/dev/null 2>&1 &"
	retry_until 60 has_gone_on "$1" 2
}
