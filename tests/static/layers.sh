#!/bin/sh
# SPDX-License-Identifier: MIT
# Folders are layers: who may include whom, and each header stands alone.
# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

# Folder, and what its files may include of ours besides their own folder's. An
# include is written from host/ or from the folder itself; shared/ is named by
# its files alone. vmm.h is the one header of vmm/ that others may see.
layers() {
	cat <<-'TABLE'
		shared
		shared/example	shared
		host/base
		host/net	base shared
		host/vmm	base shared
		host/bake	base shared
		host/core	base shared net vmm/vmm.h
		host/bench	base shared net vmm/vmm.h core
		host/cmd	base shared net vmm/vmm.h core bench bake
		guest-agent	shared
		guest-kmod	shared/vmfork_mailbox.h
		initramfs	shared
	TABLE
}

# All quoted includes below a folder: FILE:INCLUDED, as a path in the tree.
includes() {
	tracked "$1/*.c" "$1/*.h" | xargs -r grep -HoE '^#include "[^"]+"' |
		sed 's/:#include "/:/; s/"$//' |
		while IFS=: read -r file name; do
			for dir in "$1" shared host; do
				[ -e "$dir/$name" ] && break
			done
			[ -e "$dir/$name" ] || continue
			echo "$file:$dir/$name"
		done
}

crossing() {
	layers | while read -r folder allowed; do
		includes "$folder" | while IFS=: read -r file name; do
			case $name in "$folder"/*) continue ;; esac
			for may in $allowed; do
				case ${name#host/} in
				"$may" | "$may"/*) continue 2 ;;
				esac
			done
			echo "$file: $folder may not include $name"
		done
	done
}

# A folder without a row has no rule, and so no place here.
unknown_folders() {
	tracked '*.c' '*.h' | grep -v '^tests/' | sed 's|/[^/]*$||' | sort -u |
		while read -r folder; do
			case $folder in host) continue ;; esac
			layers | grep -q "^$folder\>" ||
				echo "$folder: no row in $0"
		done
}

not_alone() {
	flags=$(pkg-config --cflags libnl-3.0 libnl-route-3.0 jansson)
	# a module's headers are the kernel's; with its headers Kbuild compiles them
	tracked '*.h' | grep -v '^guest-kmod/' | while read -r header; do
		# shellcheck disable=SC2086 # one word for each flag
		${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Ihost \
			-Ishared -Iguest-agent -Itests \
			-I"$BUILD/deps/libmnl/include" $flags \
			-fsyntax-only -x c - 2>&1 <<-CODE || echo "$header"
				#include "$PWD/$header"
				extern int nothing_else;
			CODE
	done
}

result "includes are found at all" \
	test "$(includes host/net | grep -c :host/base/)" -gt 0
nothing "layers include only what lies below them" crossing
nothing "each folder of sources is a layer" unknown_folders
nothing "each header compiles alone" not_alone
done_testing
