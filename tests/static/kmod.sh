#!/bin/sh
# SPDX-License-Identifier: MIT
# time: 300
#
# The modules compile for each kernel without a warning of the compiler's (W=1)
# or of sparse's, in the kernel's own format.
# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

again=$BUILD/tests/kmod

# One build for both, compiler and sparse. 7.2 has a spelling of typeof that
# sparse does not know yet, and its MODULE_ macros assert a strlen() that it
# cannot evaluate; after an error it warns of nothing more.
build() { # KERNEL
	rm -rf "$again/modules"
	ln -sfn "$(realpath "$BUILD/headers")" "$again/headers"
	CHECK=$(command -v sparse) BUILD=$again guest-kmod/build.sh "$1" \
		CF="-Wno-decl -D__typeof_unqual__=__typeof__ \
'-D__builtin_strlen(s)=(sizeof(s)-1)'" >/dev/null 2>&1
	log=$again/modules/$1/log
}

# What it says of our files; the kernel's headers are the kernel's business, and
# sparse of the distribution is too old for some of them.
messages() {
	grep -hE '(^|/)vmfork_[a-z]*\.[ch]:[0-9]+:([0-9]+:)? (warning|error)' "$log"
}

# The compiler names the option that a warning comes from.
compiler_says() { # KERNEL
	[ -e "$again/modules/$1/vmfork_vmclock.ko" ] || echo "$1: not built"
	messages | grep -E '\[-W|: error'
}

sparse_says() { # KERNEL
	messages | grep -v '\[-W'
	[ "$(grep -c '^ *CHECK ' "$log")" = 2 ] ||
		echo "$1: sparse did not look at both"
}

# The kernel's habits, beyond what clang-format keeps.
style_says() {
	grep -nE '\<(printk|BUG|BUG_ON|typedef|extern|volatile)\>' "$@"
	grep -nE '\<(if|for|while|switch)\(|//[^ ]' "$@"
	# a message in two pieces is not found by who greps for it
	grep -nE '^[[:space:]]*"' "$@"
	for file; do
		head -n 1 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0' ||
			echo "$file: which licence?"
	done
}

mkdir -p "$again"
for kernel in 6.1 6.12 7.2; do
	if [ ! -e "$BUILD/headers/$kernel/version" ]; then
		skip "$kernel: no warning" "its headers are not there"
		skip "$kernel: nothing from sparse" "its headers are not there"
		continue
	fi
	if [ -e "$BUILD/modules/$kernel/skipped" ]; then
		why=$(cat "$BUILD/modules/$kernel/skipped")
		skip "$kernel: no warning" "$why"
		skip "$kernel: nothing from sparse" "$why"
		continue
	fi
	build "$kernel"
	nothing "$kernel: no warning" compiler_says "$kernel"
	nothing "$kernel: nothing from sparse" sparse_says "$kernel"
done
# shellcheck disable=SC2046 # one word for each file
nothing "nothing that the kernel's style forbids" \
	style_says $(tracked 'guest-kmod/*.[ch]')
rm -rf "$again"
done_testing
