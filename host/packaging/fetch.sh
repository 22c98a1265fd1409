#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fetch what is used from its package without being installed.
#
#	fetch.sh kernel 6.1|6.12|7.2	to BUILD/kernels/SERIES: vmlinuz, version,
#					modules/ (what /lib/modules/VERSION holds)
#	fetch.sh headers 6.1|6.12|7.2	of that kernel, to BUILD/headers/SERIES:
#					version, root/usr/src/linux-headers-VERSION
#	fetch.sh libmnl			to BUILD/deps/libmnl: libmnl.a, include/
set -eu

BUILD=${BUILD:-build}
here=$(dirname "$0")
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

die() {
	echo "fetch: $*" >&2
	exit 1
}

apt_private() {
	BUILD=$BUILD "$here/apt-private.sh" "$@"
}

kernel_suite() {
	case $1:$codename in
	6.1:*) echo bookworm ;;
	6.12:bookworm) echo bookworm-backports ;;
	6.12:trixie) echo trixie ;;
	7.2:*) echo trixie-backports ;;
	*) die "kernel $1 on Debian ${codename:-of unknown name}: unknown" ;;
	esac
}

# The metapackage names the newest kernel; once that is of another series, the
# newest that the suite still has of this one.
kernel_image() {
	image=$(apt_private show "$2" linux-image-cloud-amd64 |
		sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p')
	case $image in
	linux-image-"$1".*) ;;
	*)
		image=$(apt_private names "$2" |
			grep -E "^linux-image-$1\.[0-9]+[+-].*-cloud-amd64\$" |
			sort -V | tail -n 1)
		;;
	esac
	[ -n "$image" ] || die "no kernel $1 in $2"
	echo "$image"
}

# From 7.x on a kernel is three packages.
kernel_packages() {
	names=$(apt_private names "$1")
	release=${2#linux-image-}
	for part in base binary modules; do
		echo "$names" | grep -Fx "linux-$part-$release" || :
	done | grep . || echo "$2"
}

fetch_kernel() {
	series=$1
	dest=$BUILD/kernels/$series
	[ -e "$dest/version" ] && return
	suite=$(kernel_suite "$series")
	image=$(kernel_image "$series" "$suite")
	release=${image#linux-image-}
	tmp=$BUILD/kernels/.$series.$$
	trap 'rm -rf "$tmp"' EXIT
	rm -rf "$tmp"
	# shellcheck disable=SC2046 # one word for each package
	apt_private unpack "$suite" "$tmp/root" \
		$(kernel_packages "$suite" "$image")
	mkdir "$tmp/out"
	for dir in "$tmp/root/usr/lib" "$tmp/root/lib"; do
		[ -d "$dir/modules/$release" ] &&
			mv "$dir/modules/$release" "$tmp/out/modules"
	done
	for file in "$tmp/out/modules/vmlinuz" "$tmp/root/boot/vmlinuz-$release"; do
		[ -e "$file" ] && mv "$file" "$tmp/out/vmlinuz"
	done
	if ! [ -e "$tmp/out/vmlinuz" ] || ! [ -d "$tmp/out/modules/kernel" ]; then
		die "$image: holds no kernel where one was expected"
	fi
	echo "$release" >"$tmp/out/version"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	echo "kernel $release in $dest" >&2
}

# The programs among a kernel's headers want the C library of its own suite, and
# with it come its compiler and all that Kbuild calls. Everything is unpacked and
# nothing installed, so the one link that installing makes is made here.
headers_root() {
	# shellcheck disable=SC2046 # one word for each package
	apt_private unpack "$1" "$3" $(apt_private needs "$1" \
		"linux-headers-$2" base-files binutils coreutils dash diffutils \
		findutils grep make mawk sed)
	ln -s mawk "$3/usr/bin/awk"
	mkdir -p "$3/mnt/src"
}

# Debian's makefile of a kernel names its other half by where it is installed.
headers_alone() {
	parts=$(apt_private show "$1" "linux-headers-$2" |
		sed -n 's/^Depends: //p' | tr ',' '\n' |
		sed -n 's/^ *\(linux-headers-[^ ]*-common\|linux-kbuild-[^ ]*\).*/\1/p')
	# shellcheck disable=SC2086 # one word for each package
	apt_private unpack "$1" "$3" "linux-headers-$2" $parts
	# shellcheck disable=SC2016 # make's dollars
	sed -i 's|/usr/src/|$(dir $(lastword $(MAKEFILE_LIST)))../|' \
		"$3/usr/src/linux-headers-$2/Makefile"
}

fetch_headers() {
	series=$1
	dest=$BUILD/headers/$series
	release=$(cat "$BUILD/kernels/$series/version")
	if [ -e "$dest/version" ] && [ "$(cat "$dest/version")" = "$release" ]; then
		# the kernel may have been fetched again
		touch "$dest/version"
		return
	fi
	suite=$(kernel_suite "$series")
	tmp=$BUILD/headers/.$series.$$
	trap 'rm -rf "$tmp"' EXIT
	rm -rf "$tmp"
	mkdir -p "$tmp"
	case $suite:$codename in
	trixie*:bookworm) headers_root "$suite" "$release" "$tmp/root" ;;
	*) headers_alone "$suite" "$release" "$tmp/root" ;;
	esac
	[ -e "$tmp/root/usr/src/linux-headers-$release/Makefile" ] ||
		die "linux-headers-$release: holds no headers"
	echo "$release" >"$tmp/version"
	rm -rf "$dest"
	mv "$tmp" "$dest"
	echo "headers of kernel $release in $dest" >&2
}

# Debian 12's package lacks the static library.
fetch_libmnl() {
	dest=$BUILD/deps/libmnl
	[ -e "$dest/libmnl.a" ] && return
	tmp=$BUILD/deps/.libmnl.$$
	trap 'rm -rf "$tmp"' EXIT
	apt_private unpack trixie "$tmp" libmnl-dev
	mkdir "$tmp/out"
	mv "$tmp/usr/include" "$tmp/usr/lib/$(uname -m)-linux-gnu/libmnl.a" \
		"$tmp/out/"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	echo "libmnl in $dest" >&2
}

case ${1:-} in
kernel) fetch_kernel "${2:?series}" ;;
headers) fetch_headers "${2:?series}" ;;
libmnl) fetch_libmnl ;;
*) die "usage: fetch.sh kernel SERIES | headers SERIES | libmnl" ;;
esac
