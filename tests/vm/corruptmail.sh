#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 180
#
# Mail with a fault is refused as a whole: the guest says where and why, keeps
# its network and is ready for the next one. No kernel has a part in it.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

post() { # FAULT: prints the restore id
	timeout 30 "$BUILD/tests/vm/postmail" src "$1"
}

refused() { # ID STEP ERRNO
	agent_says src ".restore_id == \"$1\" and .step == \"$2\" and .errno == $3
		and .error != null and .running"
}

check_refused() { # FAULT STEP ERRNO
	local id

	id=$(post "$1") || {
		not_ok "$1: posted"
		return
	}
	check "$1: refused at step $2" retry_until 15 refused "$id" "$2" "$3"
	check "$1: the network is as it was" same "$before" \
		"$(guest_network src)"
}

# Only mail for the page that is armed now would pass, so this shows that it is.
check_taken() {
	local id

	id=$(post none) || {
		not_ok "mail without fault: posted"
		return
	}
	check "mail without fault is applied" retry_until 15 agent_says src \
		".restore_id == \"$id\" and .error == null and .stage == \"settled\""
	after=$(guest_network src)
	check "and the network is another" same \
		"$(grep -c '^mac\|^inet' <<<"$before")" \
		"$(grep -c '^mac\|^inet' <<<"$after")"
	check "nothing of the old one remains" same '' \
		"$(comm -12 <(grep '^mac\|^inet' <<<"$before") \
			<(grep '^mac\|^inet' <<<"$after"))"
}

needs tests/vm/postmail
boot src || bail "no source"
before=$(guest_network src)
check_refused crc verify 74		# EBADMSG
check_refused length verify 90		# EMSGSIZE
check_refused arm verify 116		# ESTALE
check_refused mandatory decode 95	# EOPNOTSUPP
check_refused prefix decode 34		# ERANGE
check_refused nesting decode 74		# EBADMSG
check "the source is reached" reachable src
check "each was counted once" agent_says src '.generation == 6'
vmfork snapshot src ready || bail "no snapshot"
check "a fork of it acknowledges" holds \
	"$(vmfork fork ready --name web --json)" '.acked == 1'
check "and has its own network" has_own_network web-1
check_taken
done_testing
