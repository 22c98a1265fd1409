# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What tests of the kernel modules share, on top of lib.sh: a guest that has the
# modules and the programs that try them.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

MODULES=$BUILD/modules/$KERNEL

# The kernel's own checks on, and the first warning is the last.
# shellcheck disable=SC2034 # tests use it
STRICT='slub_debug=FZPU init_on_free=1 panic_on_warn=1 kfence.sample_interval=100'

[ ! -e "$MODULES/skipped" ] || skip_all "$(cat "$MODULES/skipped")"
needs "modules/$KERNEL/vmfork_mailbox.ko"
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" --out "$STATE/guest.cpio.gz" \
	--module "$MODULES/vmfork_mailbox.ko" \
	--module "$MODULES/vmfork_vmclock.ko" \
	--add "/bin/kmod=$BUILD/tests/vm/guest/kmod" \
	--add "/bin/kmod_clock=$BUILD/tests/vm/guest/kmod_clock" ||
	bail "no initramfs"
export VMFORK_INITRD=$STATE/guest.cpio.gz

has_own_vmclock() { # does the kernel bring a VMClock driver?
	[ "$KERNEL" = 7.2 ]
}

# Boot without an agent; what is to be loaded is the caller's to say. Where no agent
# arms, nobody can tell that KVM does not run this guest, so it is not asked.
boot_bare() { # NAME WORDS [OPTION]...
	local name=$1 words=$2

	shift 2
	boot "$name" --no-wait --accel tcg --append \
		"console=ttyS0 quiet vmfork.agent=none $words" "$@"
}

# It said this, and nothing else of that module; busybox tries a module twice.
log_says() { # VM MODULE WHAT
	guest "$1" "dmesg | sed -n 's/.*] $2: //p' | grep -v taint | sort -u \
>/tmp/said; [ \$(wc -l </tmp/said) = 1 ] && grep -q '$3' /tmp/said"
}

# Nothing that the kernel complains of; a module that is nobody's is no matter.
log_is_clean() { # VM
	guest "$1" "! dmesg | grep -E 'WARNING|BUG|KFENCE: |Oops|Call Trace|\
general protection|Redzone|[Pp]oison overwritten|refcount|leaked|lockup|INFO: '"
}
