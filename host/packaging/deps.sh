#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Install the Debian packages that building, running and checking need; with the
# word deb, those too that building Debian packages does, with guests those that
# making real guests does, with clean those that making and entering a bare root
# does. Silent and without privilege when all are there.
set -eu

here=$(dirname "$0")
QEMU_MIN=1:10.0
what=${1:-}

# One package per line, and why.
packages() {
	sed 's/#.*//' <<-'LIST'
		gcc			# the host side
		libc6-dev		# its C library
		pkg-config		# where the libraries are
		libnl-3-dev		# netlink: the core
		libnl-route-3-dev	# netlink: links, addresses, neighbours
		libnftables-dev		# what a port may say, NAT
		libjansson-dev		# JSON: records, QMP
		libarchive-dev		# images that are archives: its header
		musl-tools		# the guest's agent, static
		linux-libc-dev		# kernel headers for it
		busybox-static		# the test guest's userland; a benchmark's DHCP server
		cpio			# its initramfs
		gzip			# its initramfs
		xz-utils		# unpacks its kernel modules
		zstd			# tests bake initramfs of that kind
		lz4			# the same
		qemu-utils		# bake takes qcow2 apart and makes it
		e2fsprogs		# bake looks into ext4 images and writes them
		kmod			# says what a module depends on
		iproute2		# demo and tests look at the host's links
		iputils-ping		# demo and tests reach forks
		nftables		# tests look at the rules
		tcpdump			# tests look at frames
		procps			# tests look at processes
		util-linux-extra	# tests look at the page cache
		jq			# demo and tests read JSON
		openssl			# tests serve TLS
		syslinux		# a test boots a disk: its boot loader
		mtools			# the same: files on that disk
		libcmocka-dev		# unit tests
		clang			# fuzzers
		libclang-rt-dev		# sanitizers of fuzzers
		clang-format		# check-static
		clang-tidy		# check-static
		cppcheck		# check-static
		sparse			# check-static
		shellcheck		# check-static
		groff-base		# check-static
	LIST
	case $what in
	deb) packages_deb ;;
	guests) echo mmdebstrap ;;
	clean) echo mmdebstrap socat ;;
	esac
}

packages_deb() {
	sed 's/#.*//' <<-'LIST'
		build-essential		# what each Debian package is built with
		debhelper		# and most
		dh-dkms			# modules that are built where they are installed
		libmnl-dev		# the agent's, where the release has it static
		lintian			# says what is wrong with a package
	LIST
}

die() {
	echo "setup: $*" >&2
	exit 1
}

version_of() {
	dpkg-query -W -f '${Status} ${Version}\n' "$1" 2>/dev/null |
		sed -n 's/^install ok installed //p; s/^hold ok installed //p' |
		head -n 1
}

missing() {
	for package in $(packages); do
		[ -n "$(version_of "$package")" ] || echo "$package"
	done
}

qemu_is_fit() {
	version=$(version_of qemu-system-x86)
	[ -n "$version" ] && dpkg --compare-versions "$version" ge "$QEMU_MIN"
}

# Says how to get root: nothing for root itself.
root_command() {
	[ "$(id -u)" = 0 ] && return
	command -v sudo >/dev/null ||
		die "packages are missing and there is no sudo: as root, run" \
			"$0; needed: $*"
	# Without a terminal there is nobody to type a password.
	if [ -t 0 ]; then
		echo sudo
	else
		sudo -n true 2>/dev/null ||
			die "sudo wants a password and there is no terminal:" \
				"as root, run $0; needed: $*"
		echo "sudo -n"
	fi
}

install_missing() {
	SUDO=$(root_command "$@")
	echo "setup: installing $*" >&2
	$SUDO apt-get -q update
	$SUDO env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		--no-install-recommends install "$@"
}

# Debian 12's own is 7.2, which lacks what snapshots need.
install_qemu() {
	SUDO=$(root_command "qemu-system-x86 >= ${QEMU_MIN#*:}")
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	case $codename in
	bookworm) suite=bookworm-backports ;;
	*) suite=$codename ;;
	esac
	echo "setup: installing QEMU from $suite" >&2
	SUDO="${SUDO:+$SUDO }env DEBIAN_FRONTEND=noninteractive" \
		"$here/apt-private.sh" install "$suite" qemu-system-x86
	qemu_is_fit || die "$suite has no QEMU of ${QEMU_MIN#*:} or newer"
}

command -v apt-get >/dev/null || die "this is not Debian: no apt-get"
names=$(missing)
# shellcheck disable=SC2086 # one word for each package
[ -z "$names" ] || install_missing $names
qemu_is_fit || install_qemu
