#!/bin/sh
# SPDX-License-Identifier: MIT
# time: 120
# Two builds, in two directories, give the same bytes.
# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

again=$BUILD/tests/again

build_again() {
	rm -rf "$again"
	mkdir -p "$again"
	ln -s ../../deps "$again/deps"
	ln -s ../../kernels "$again/kernels"
	env -u MAKEFLAGS make --no-print-directory BUILD="$again" "$@" >/dev/null
}

same() {
	cmp "$BUILD/$1" "$again/$1"
}

result "the agent and the guests build again" \
	build_again agent guest
result "the agent is the same" same vmfork-agent
for archive in "$again"/guest-*.cpio.gz; do
	result "${archive##*/} is the same" same "${archive##*/}"
done
rm -rf "$again"
done_testing
