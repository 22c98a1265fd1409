#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
#
# Layers on layers come to the memory that their source had: at each depth the
# chain is compared with a whole image that was saved in the same pause.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

DEPTH=5

# What a guest does changes pages that are zeros, its program's and its own.
work() { # VM ROUND
	guest "$1" "dd if=/dev/urandom of=/tmp/work.$2 bs=64k count=8 2>/dev/null
dd if=/dev/zero of=/tmp/work.$(($2 - 1)) bs=64k count=4 conv=notrunc 2>/dev/null
ls -lR /bin /sys/class >/tmp/list" >/dev/null
}

branch() { # VM SNAPSHOT PAGES_IN_ITS_LAYER
	local said rc

	mkdir "$STATE/whole" || return
	said=$("$BUILD/tests/vm/onepause" "$1" "$2" "$STATE/whole")
	rc=$?
	rm -r "$STATE/whole"
	echo "$2: $said"
	[ "$rc" = 0 ] && [[ $said =~ changed=$3\ other=0$ ]]
}

boot src --memory 128M || bail "no source"
check "a branch of one that booted is all its memory" branch src whole-0 0
check "a base" vmfork snapshot src layer-0 --mode live
vmfork stop src >/dev/null
for ((i = 1; i <= DEPTH; i++)); do
	check "a fork of $((i - 1)) layers" holds \
		"$(vmfork fork "layer-$((i - 1))" --name "of-$i" --json)" \
		'.acked == 1'
	check "works" work "of-$i-1" "$i"
	check "$i layers are its memory of one pause" branch "of-$i-1" \
		"layer-$i" '[1-9][0-9]*'
	vmfork stop "of-$i-1" >/dev/null
done
check "each layer builds on the one before" same \
	"$(for ((i = 1; i <= DEPTH; i++)); do
		echo "layer-$i layer-$((i - 1))"
	done)" "$(vmfork snapshots --json |
		jq -r 'sort_by(.name)[] | select(.parent) | "\(.name) \(.parent)"')"
check "the last one made whole" vmfork snapshot flatten "layer-$DEPTH"
check "can be forked" holds \
	"$(vmfork fork "layer-$DEPTH" --name flat --json)" '.acked == 1'
done_testing
