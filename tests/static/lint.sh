#!/bin/sh
# SPDX-License-Identifier: MIT
# time: 600
# Linters. What is excluded has its reason beside it, here or in .clang-tidy.
# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

flags="-std=gnu11 -D_GNU_SOURCE -Ihost -Ishared -Iguest-agent -Itests
	-I$BUILD/deps/libmnl/include
	$(pkg-config --cflags libnl-3.0 libnl-route-3.0 libnftables jansson)"

sources() {
	tracked 'shared/*.c' 'host/*.c' 'guest-agent/*.c'
}

# The analyzer gives a function up after so many states, and it is loops that use them
# up: who follows each twice comes to the end of nearly all in half the time. Its own
# measure is four times: that is for long runs.
LOOPS=${LONG:+4}
LOOPS=${LOOPS:-2}

# Its answers depend on the file, the headers and the configuration alone, so
# those for files that are as they were are kept.
tidy() {
	cache=$BUILD/tests/tidy
	mkdir -p "$cache"
	common=$(tracked .clang-tidy '*.h' tests/static/lint.sh | xargs sha256sum)
	sources | while read -r file; do
		key=$(echo "$common $LOOPS" | cat - "$file" | sha256sum | cut -c1-40)
		[ -e "$cache/$key" ] || echo "$cache/$key $file"
	done >"$cache/.list"
	# shellcheck disable=SC2016 # the inner shell expands
	flags="$flags -Xclang -analyzer-max-loop -Xclang $LOOPS" xargs -r -P 2 -L 1 sh -c '
		case $2 in
		host/base/err.c) ;;
		host/*) flags="-include tests/static/analyzer.h $flags" ;;
		esac
		if out=$(clang-tidy --quiet "$2" -- $flags 2>/dev/null); then
			: >"$1"
		else
			echo "$out"
		fi' tidy <"$cache/.list"
}

# - missingIncludeSystem: the system's headers are the compiler's business
# - normalCheckLevelMaxBranches: newer versions tell about themselves
# - resourceLeak, memleak: it does not know the cleanup attribute
# - readdirCalled: nowhere do two threads read one directory stream
# - nullPointerOutOfMemory: newer versions take an mmap that fails for NULL; clang-tidy
#   follows what malloc returns
# style and unusedFunction are not enabled: clang-tidy and the reader do that.
lint_cppcheck() { # FILE...
	cppcheck --quiet -j 2 --std=c11 --enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem \
		--suppress=normalCheckLevelMaxBranches \
		--suppress=resourceLeak --suppress=memleak \
		--suppress=readdirCalled --suppress=nullPointerOutOfMemory \
		--library=posix,gnu -D_GNU_SOURCE -D__x86_64__ \
		-D__BYTE_ORDER__=1 -D__ORDER_LITTLE_ENDIAN__=1 \
		--include=tests/static/cppcheck.h \
		-Ihost -Ishared -Iguest-agent "$@" 2>&1
}

# One that cannot read the flags may say nothing at all.
cppcheck_speaks() {
	lint_cppcheck tests/static/wrong.c | grep -q '^tests/static/wrong.c:.*error: '
}

lint_shellcheck() {
	tracked | while read -r file; do
		head -n 1 "$file" | grep -qE '^#!/bin/(ba)?sh' && echo "$file"
	done | xargs -n 8 -P 2 shellcheck -x -S style
}

# Its bitwise types find conversions that a big-endian machine would want; the
# ABI's header refuses to compile there.
lint_sparse() {
	# a note tells through whom a header is included; libraries' are not ours
	# shellcheck disable=SC2086 # one word for each flag
	sources | xargs -n 1 -P 2 sparse $flags -Wno-decl -U__CHECKER__ 2>&1 |
		grep -E '^(shared|host|guest-agent)/' |
		grep -v ': note: in included file'
}

nothing "shellcheck" lint_shellcheck
result "cppcheck reads what it is given" cppcheck_speaks
# shellcheck disable=SC2046 # one word for each file
nothing "cppcheck" lint_cppcheck $(sources)
nothing "sparse" lint_sparse
nothing "clang-tidy" tidy
done_testing
