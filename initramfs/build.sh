#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Build the test guest: an initramfs of busybox, the agent, the modules that a
# kernel needs, and the files in root/ beside this script. Needs no root; the
# same input gives the same bytes.
#
#	build.sh --kernel DIR|RELEASE --out FILE [--agent FILE] [--busybox FILE]
#		[--add /PATH=FILE]... [--module FILE.ko]...
#
# DIR is what fetch.sh made of a kernel package, RELEASE that of a kernel that is
# installed. Without --agent the guest has none, for `vmfork bake` to put it in.
# --add puts one more program into the guest, --module one more module, which the
# word vmfork.load=NAME on the kernel's command line loads. Times of files are
# $SOURCE_DATE_EPOCH, or 0.
set -eu
umask 022
export LC_ALL=C

# What the guest cannot do without, and what only some kernels have. Whatever
# these depend on is found out.
MODULES='virtio_pci virtio_net qemu_fw_cfg'
MODULES_OPTIONAL='ptp_vmclock'
# What the kernel, or a test, loads by modprobe when it is wanted.
MODULES_DEMAND='tcp_diag loop dummy virtio_blk'

here=$(cd "$(dirname "$0")" && pwd)
kernel='' agent='' out='' busybox=/bin/busybox adds='' extras=''

die() {
	echo "initramfs: $*" >&2
	exit 1
}

usage() {
	sed -n 's/^#	//p' "$0"
}

parse() {
	case ${1:-} in
	-h | --help)
		usage
		exit
		;;
	esac
	while [ $# -gt 1 ]; do
		case $1 in
		--kernel) kernel=$2 ;;
		--agent) agent=$2 ;;
		--out) out=$2 ;;
		--busybox) busybox=$2 ;;
		--add) adds="$adds $2" ;;
		--module) extras="$extras $2" ;;
		*) die "no such option: $1" ;;
		esac
		shift 2
	done
	[ $# = 0 ] || die "$1: needs a value"
	for value in "$kernel" "$out"; do
		[ -n "$value" ] || die "--kernel and --out are needed"
	done
	for file in $agent "$busybox"; do
		[ -r "$file" ] || die "$file: cannot be read"
	done
	# A program that wants libraries would find none.
	if ldd "$busybox" 2>/dev/null | grep -q '=>'; then
		die "$busybox: not static: install busybox-static"
	fi
}

kernel_find() {
	case $kernel in
	*/*)
		[ -r "$kernel/version" ] || die "$kernel/version: cannot be read"
		release=$(cat "$kernel/version")
		modules=$kernel/modules
		;;
	*)
		release=$kernel
		modules=/lib/modules/$kernel
		;;
	esac
	[ -d "$modules/kernel" ] || die "$modules: no kernel's modules are there"
}

# A module's name has underscores where its file may have hyphens.
module_file() {
	pattern=$(echo "$1" | sed 's/[-_]/[-_]/g')
	find "$modules/kernel" -name "$pattern.ko*" | sort | head -n 1
}

module_is_builtin() {
	grep -q "/$(echo "$1" | sed 's/[-_]/[-_]/g')\.ko" \
		"$modules/modules.builtin"
}

module_unpack() { # FILE
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dc "$1" ;;
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# Each module after what it depends on, none twice.
module_add() {
	if module_is_builtin "$1" ||
		grep -qx "$1" "$root/etc/modules"; then
		return
	fi
	file=$(module_file "$1")
	[ -n "$file" ] || die "$release has no module $1"
	for needed in $(modinfo -F depends "$file" | tr ',' ' '); do
		module_add "$needed"
	done
	# The recursion has changed $file.
	file=$(module_file "$1")
	module_unpack "$file" >"$root/lib/modules/$1.ko"
	echo "$1" >>"$root/etc/modules"
}

# The same for modprobe, in its own folder; what it depends on comes along.
module_offer() {
	if module_is_builtin "$1" || [ -e "$offered/$1.ko" ]; then
		return
	fi
	file=$(module_file "$1")
	[ -n "$file" ] || die "$release has no module $1"
	module_unpack "$file" >"$offered/$1.ko"
	modinfo -F alias "$file" | sed "s/.*/alias & $1/" \
		>>"$offered/modules.alias"
	depends=$(modinfo -F depends "$file" | tr ',' ' ')
	# shellcheck disable=SC2086 # one word for each
	set -- "$1" $depends
	echo "$1.ko:$(shift && printf '%s' "${*:+ }$*" | sed 's/[^ ][^ ]*/&.ko/g')" \
		>>"$offered/modules.dep"
	for needed in $depends; do
		module_offer "$needed"
	done
}

add_modules() {
	: >"$root/etc/modules"
	for name in $MODULES; do
		module_add "$name"
	done
	for name in $MODULES_OPTIONAL; do
		[ -z "$(module_file "$name")" ] || module_add "$name"
	done
	for name in $MODULES_DEMAND; do
		module_offer "$name"
	done
	for file in $extras; do
		install -m 644 "$file" "$root/lib/modules/"
	done
}

add_programs() {
	install -m 755 "$busybox" "$root/bin/busybox"
	"$busybox" --list-full | grep / | while read -r path; do
		mkdir -p "$root/${path%/*}"
		[ -e "$root/$path" ] || ln -s /bin/busybox "$root/$path"
	done
	if [ -n "$agent" ]; then
		install -m 755 "$agent" "$root/sbin/vmfork-agent"
	else
		printf '%s\n' 'ttyS0::respawn:-/bin/sh' \
			'::ctrlaltdel:/sbin/reboot' >"$root/etc/inittab"
	fi
	(cd "$here/root" && find . -type f) | while read -r path; do
		mode=644
		[ ! -x "$here/root/$path" ] || mode=755
		install -D -m "$mode" "$here/root/$path" "$root/$path"
	done
	for add in $adds; do
		install -D -m 755 "${add#*=}" "$root/${add%%=*}"
	done
}

pack() {
	find "$root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
	(cd "$root" && find . -mindepth 1 | sort |
		cpio --quiet --reproducible -o -H newc -R 0:0) >"$tmp/cpio"
	gzip -9n "$tmp/cpio"
	mv "$tmp/cpio.gz" "$out"
}

parse "$@"
kernel_find
tmp=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
offered=$root/lib/modules/$release
for dir in bin dev etc lib/modules proc run sbin sys tmp; do
	mkdir -p "$root/$dir"
done
mkdir -p "$offered"
add_programs
add_modules
pack
