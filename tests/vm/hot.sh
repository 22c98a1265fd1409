#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
#
# The first fork of a snapshot leaves a list of the pages that it used; later
# ones of an image that is not in the page cache have them read ahead. A list is
# advice: without one, or with one that is wrong, forks are made as well.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/vm/lib-disk.sh
. "$(dirname "$0")/lib-disk.sh"

MARKED_MIB=16

# The filter is one of what was read ahead.
forked() { # SNAPSHOT FILTER [OPTION]...
	local said

	said=$(vmfork fork "$1" --name f --wait network --json "${@:3}" \
		2>"$notes/said")
	cat "$notes/said"
	holds "$said" ".acked == 1 and (.forks[0] | .prefetch + { from_pool } | $2)"
}

# The same, of a snapshot of which nothing is in the page cache.
cold() { # SNAPSHOT FILTER [OPTION]...
	vmfork stop --all >/dev/null
	made_cold "$1" && forked "$@"
}

made_cold() { # SNAPSHOT
	local file pages

	for file in "$VMFORK_STATE/snapshots/$1"/*; do
		sync "$file"
		dd if="$file" iflag=nocache count=0 2>/dev/null
		pages=$(fincore -n -o PAGES "$file")
		[ "$pages" -eq 0 ] || {
			echo "$file: $pages pages stay"
			return 1
		}
	done
}

# Pages of its image that are in the page cache.
cached() { # SNAPSHOT
	fincore -n -o PAGES "$VMFORK_STATE/snapshots/$1/memory" | tr -d ' '
}

# Waits for the disk of a cold fork until it was heard, least of three.
waits() { # SNAPSHOT [OPTION]...
	local least='' num

	for _ in 1 2 3; do
		vmfork stop --all >/dev/null
		made_cold "$1" || return
		num=$(vmfork fork "$1" --name f --wait network --json "${@:2}" |
			jq '.forks[0].faults.major')
		[ -n "$least" ] && [ "$least" -le "$num" ] || least=$num
	done
	echo "$least"
}

hot() { # SNAPSHOT FILTER, of an object of its lists
	holds "$(vmfork snapshots hot "$1" --json |
		jq -c 'map({ (.list): . }) | add // {}')" "$2"
}

bytes() { # SNAPSHOT LIST
	vmfork snapshots hot "$1" --json |
		jq ".[] | select(.list == \"$2\") | .bytes"
}

spoil() { # SNAPSHOT LIST
	printf 'x' | dd of="$VMFORK_STATE/snapshots/$1/hot.$2" bs=1 seek=30 \
		conv=notrunc 2>/dev/null
}

ignores() { # SNAPSHOT FILTER
	vmfork stop --all >/dev/null
	forked "$1" "$2" && grep -qx "vmfork: warning: snapshot $1: \
hot.acked: does not verify: ignored" "$notes/said" &&
		[ "$(wc -l <"$notes/said")" = 1 ]
}

# --- an image in memory ------------------------------------------------------

boot src --memory 128M || bail "no source"
vmfork snapshot src quick >/dev/null || bail "no snapshot"
vmfork stop src >/dev/null
check "an image in memory has nothing to be read ahead" forked quick \
	'.mode == "memory" and .bytes == 0'
check "and no list" hot quick '. == {}'
check "one that is asked for is an error" says 1 \
	"snapshot quick: lies in memory" \
	"$VMFORK" fork quick --prefetch list
check "nor can one be marked" says 1 "snapshot quick: lies in memory" \
	"$VMFORK" snapshots hot quick f-1
vmfork stop --all >/dev/null
vmfork net rm default >/dev/null

# --- an image on a disk ------------------------------------------------------

disk_state
boot src --memory 128M || bail "no source on a disk"
guest src "dd if=/dev/urandom of=/tmp/later bs=1M count=$MARKED_MIB" >/dev/null
vmfork snapshot src ready >/dev/null || bail "no snapshot on a disk"
vmfork stop src >/dev/null
check "a list that is asked for has to be there" says 1 \
	"snapshot ready: has no list of hot pages" \
	"$VMFORK" fork ready --prefetch list
check "what is not a size is refused" says 2 "prefetch '12x': not auto" \
	"$VMFORK" fork ready --prefetch 12x
check "off makes no list" forked ready '.mode == "none"' --prefetch off
check "none is there" hot ready '. == {}'
vmfork stop --all >/dev/null
check "the first fork has nothing read ahead" forked ready \
	'.mode == "none" and .bytes == 0'
check "and leaves a list" hot ready '
	.acked.runs > 0 and .acked.bytes > 1000000 and
	.acked.bytes <= 67108864 and .acked.error == null and .mark == null'
list=$(bytes ready acked)
vmfork stop --all >/dev/null
# zeros, which stand in no image, are in the page cache once they were read
check "what is in the page cache is left alone" forked ready '.bytes < 1000000'
vmfork stop --all >/dev/null
check "all of it is after one fork" forked ready \
	'.mode == "cached" and .bytes == 0'
check "a cold fork has the list read ahead" cold ready \
	".mode == \"list\" and .bytes == $list and .rest_bytes == 0 and .us > 0"
check "one that is asked for as well" cold ready \
	".mode == \"list\" and .bytes == $list" --prefetch list
check "off reads nothing ahead" cold ready \
	'.mode == "none" and .bytes == 0 and .rest_bytes == 0' --prefetch off
with=$(waits ready --prefetch list)
listed=$(cached ready)
without=$(waits ready --prefetch off)
echo "major faults: $with with the list, $without without"
check "with the list a fork waits less often" [ "$((2 * with))" -lt "$without" ]
check "and the list is in the page cache" [ "$((listed * 4096))" -ge "$list" ]
check "around the mailbox, as much as there is" cold ready \
	'.mode == "around" and .bytes <= 134217728 and .bytes > 67108864' \
	--prefetch 1G
check "the list is the first fork's still" same "$list" \
	"$(bytes ready acked)"

# --- until a mark ------------------------------------------------------------

vmfork stop --all >/dev/null
check "a fork works" forked ready '.mode != "none"'
guest f-1 'md5sum /tmp/later' >/dev/null
check "what it has used is marked" vmfork snapshots hot ready f-1
check "in a list of its own" hot ready "
	.mark.bytes >= ($MARKED_MIB - 1) * 1048576 and .acked.bytes == $list"
check "a cold fork has both read ahead, each page once" cold ready "
	.mode == \"list\" and .bytes >= $(bytes ready mark) and
	.bytes < $(bytes ready mark) + $list"

# --- lists that are wrong ----------------------------------------------------

spoil ready acked
check "a list that does not verify is shown" hot ready \
	'.acked.error | test("does not verify")'
check "and ignored, and the user told" ignores ready '.mode != "none"'
check "it is made anew" hot ready '.acked.error == null and .acked.runs > 0'
check "both can be removed" vmfork snapshots hot ready --forget
check "and are" hot ready '. == {}'
check "a word too many is refused" says 2 "unexpected argument 'warm'" \
	"$VMFORK" snapshots warm ready

# --- layers, and the pool ----------------------------------------------------

guest f-1 'ls -lR /bin >/tmp/list; md5sum /tmp/later' >/dev/null
check "a layer" vmfork snapshot f-1 layer --mode diff
vmfork stop --all >/dev/null
check "its first fork leaves a list" forked layer '.mode == "none"'
check "which is its own" hot layer '.acked.runs > 0 and .acked.error == null'
check "its base has none" hot ready '. == {}'
check "a fork of one is no fork of the other" says 1 \
	"VM f-1: is no fork of snapshot ready" \
	"$VMFORK" snapshots hot ready f-1
check "what it used of the base is read ahead" eval \
	'made_cold_base() { vmfork stop --all >/dev/null; made_cold ready; }
	made_cold_base && forked layer ".mode == \"list\" and .bytes > 0"'
vmfork stop --all >/dev/null
check "the pool is filled" vmfork pool fill layer -n 1
check "a fork out of it has the list read ahead, too" forked layer \
	'.from_pool and (.mode == "cached" or .mode == "list")'
check "with its snapshot its lists go" vmfork rmi ready --cascade
check "all of them" same "" "$(ls "$VMFORK_STATE/snapshots")"
done_testing
