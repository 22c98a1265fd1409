#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The mailbox is spoken by others than us: shared/example/post.c gives a running VM
# another address, with the VM's engine as the only thing it knows of.
#
#	src: whose vCPUs stand still while the mail is written
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

NEW=10.99.7.7
MEMORY_BYTES=$((256 << 20))

# Where the guest's page is in the engine: its memory is the mapping of that size.
hva_of() { # PID GPA
	local range start end

	while read -r range _; do
		start=$((16#${range%-*})) end=$((16#${range#*-}))
		[ $((end - start)) -ne $MEMORY_BYTES ] || {
			echo $((start + $2))
			return
		}
	done <"/proc/$1/maps"
	return 1
}

stands_still() { # PID
	! grep -h '^State:' /proc/"$1"/task/*/status | grep -qv 'T (stopped)'
}

post() { # HVA GPA
	"$BUILD/tests/vm/post" "$pid" "$1" "$2" eth0 "$NEW/24" >"$notes/said" 2>&1 &
	poster=$!
}

posted() {
	kill -STOP "$pid" && retry_until 5 stands_still "$pid" &&
		post "$hva" "$gpa" && retry_until 5 grep -q '^written' "$notes/said"
	kill -CONT "$pid"
	wait "$poster" && same "applied" "$(tail -n 1 "$notes/said")"
}

refused() { # HVA GPA
	post "$1" "$2"
	! wait "$poster" && grep -q 'no armed mailbox' "$notes/said"
}

needs tests/vm/post
boot src || bail "no source"
vmfork snapshot src ready || bail "no snapshot"
gpa=$(jq '.. | .mailbox_gpa? // empty' "$STATE/snapshots/ready/manifest.json")
pid=$(vm_field src .pid)
hva=$(hva_of "$pid" "$gpa") || bail "its memory is not found"
check "a page that is none is refused" refused "$((hva + 4096))" "$gpa"
check "and one that says to be elsewhere" refused "$hva" "$((gpa + 4096))"
check "mail is written and applied" posted
check "the guest has that address, and its old one no more" \
	same "$NEW/24" "$(guest src 'ip -o -4 addr show eth0' | awk '{ print $4 }')"
vmfork stop src
done_testing
