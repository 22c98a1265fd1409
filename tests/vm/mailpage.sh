#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 240
#
# Wherever in a chain of layers the page of the mailbox stands, each fork is told
# its own network: in the base, in a layer, in a hole of a layer.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

mailpage() {
	"$BUILD/tests/vm/mailpage" "$@"
}

check_fork() { # WHAT SNAPSHOT LINK
	check "$1: it stands there" same "$3" "$(mailpage where "$2")"
	check "$1: a fork is told" holds "$(vmfork fork "$2" --name "of-$2" \
		--json)" '.acked == 1 and .forks[0].verified'
}

diff_of() { # VM SNAPSHOT
	vmfork snapshot "$1" "$2" --mode diff >/dev/null
}

boot src --memory 128M || bail "no source"
check "a base" vmfork snapshot src base --mode live
vmfork stop src >/dev/null
check_fork "in the base" base 0
check "a layer" diff_of of-base-1 layer
check_fork "in the layer" layer 0
check "one with a hole, on a layer" mailpage hollow of-layer-1 hollow
check_fork "in a hole above a layer" hollow 1
check "it has its own network" has_own_network of-hollow-1
vmfork stop of-layer-1 >/dev/null
check "one with a hole, on the base" mailpage hollow of-base-1 lower
check_fork "in a hole above the base" lower 1
check "it has its own network, too" has_own_network of-lower-1
vmfork stop of-base-1 of-lower-1 >/dev/null
check "a layer on the hole" diff_of of-hollow-1 filled
check_fork "in the layer above a hole" filled 0
check "the layer with the hole, made whole" vmfork snapshot flatten hollow
vmfork stop of-hollow-1 >/dev/null
check_fork "in what had a hole" hollow 0
done_testing
