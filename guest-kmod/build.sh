#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Build the modules for a kernel whose headers fetch.sh unpacked.
#
#	build.sh SERIES [MAKE-VARIABLE]...	to BUILD/modules/SERIES: *.ko,
#						without debugging information
#	build.sh install SERIES DIR		below DIR/lib/modules
#
# Kbuild writes beside its sources, so it works on a copy. Where the headers came
# with a root of their own, their programs run in there; where that is not
# permitted, BUILD/modules/SERIES/skipped says why, and there are no modules.
# CHECK=PROGRAM has each source checked by it, wherever the compiler runs.
set -eu

BUILD=$(cd "${BUILD:-build}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

die() {
	echo "modules: $*" >&2
	exit 1
}

# A mount namespace, with the user namespace that others than root need for it.
namespace() {
	if [ "$(id -u)" = 0 ]; then
		unshare --mount "$@"
	else
		unshare --mount --user --map-root-user "$@"
	fi
}

# objtool reads its limits in /proc, the shell redirects to /dev/null.
in_root() {
	# shellcheck disable=SC2016 # the inner shell expands
	namespace sh -c '
		root=$1 work=$2
		shift 2
		for dir in dev proc; do
			mount --rbind "/$dir" "$root/$dir" || exit
		done
		mount --bind "$work" "$root/mnt/src" || exit
		exec chroot "$root" /usr/bin/env PATH=/usr/bin "$@"' in_root "$root" "$work" "$@"
}

# BTF wants pahole; without it, nothing but BPF programs misses anything.
kbuild() {
	dir=$work
	[ ! -x "$root/usr/bin/make" ] || dir=/mnt/src
	set -- M="$dir" W=1 CONFIG_DEBUG_INFO_BTF_MODULES= \
		KCFLAGS="-ffile-prefix-map=$dir=." "$@"
	[ -z "${CHECK:-}" ] || set -- KBUILD_CHECKSRC=2 CHECK="$dir/check" "$@"
	if [ "$dir" = /mnt/src ]; then
		in_root make -C "$source" "$@" modules
		return
	fi
	cc=$(sed -n 's/^CC = .*)\(gcc-[0-9]*\)$/\1/p' \
		"$root$source/.kernelvariables")
	command -v "$cc" >/dev/null || set -- CC=gcc "$@"
	make -C "$root$source" "$@" modules
}

build() {
	[ -e "$headers/version" ] || die "$headers: no headers"
	rm -rf "$out"
	mkdir -p "$work"
	cp "$here"/Kbuild "$here"/*.[ch] "${here%/*}/shared/vmfork_mailbox.h" \
		"$work/"
	[ -z "${CHECK:-}" ] || cp "$CHECK" "$work/check"
	if [ -x "$root/usr/bin/make" ] && ! why=$(in_root true 2>&1); then
		echo "namespaces are not permitted: $why" >"$out/skipped"
		echo "modules for $series: skipped: $(cat "$out/skipped")" >&2
		return
	fi
	kbuild "$@" >"$out/log" 2>&1 || {
		cat "$out/log" >&2
		die "for $series: not built"
	}
	grep -E '(warning|error):' "$out/log" >&2 || :
	for ko in "$work"/*.ko; do
		strip --strip-debug -o "$out/${ko##*/}" "$ko"
	done
	cp "$headers/version" "$out/"
}

install_below() {
	[ -e "$out/version" ] || die "$series: $(cat "$out/skipped" || echo "not built")"
	release=$(cat "$out/version")
	for ko in "$out"/*.ko; do
		install -D -m 644 "$ko" \
			"$1/lib/modules/$release/updates/${ko##*/}"
	done
	[ ! -e "$1/lib/modules/$release/modules.order" ] ||
		depmod -b "${1:-/}" "$release"
}

[ $# -ge 1 ] || die "usage: build.sh SERIES [MAKE-VARIABLE]... |" \
	"install SERIES DIR"
command=build
if [ "$1" = install ]; then
	[ $# = 3 ] || die "usage: build.sh install SERIES DIR"
	command=install_below
	shift
fi
series=$1
shift
headers=$BUILD/headers/$series
root=$headers/root
out=$BUILD/modules/$series
work=$out/build
[ ! -e "$headers/version" ] ||
	source=/usr/src/linux-headers-$(cat "$headers/version")
# make's own settings are not for the kernel's makefiles
unset MAKEFLAGS MFLAGS MAKELEVEL M
"$command" "$@"
