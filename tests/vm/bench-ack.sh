#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 600
#
# What the agent's handoff is held against: each of the kinds once, and each ends
# with an acknowledgement that only a fork of the new address can have sent.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

KINDS=floor-code,floor-request,floor-vmgenid,ip,dhcp,shell

# All are there, and none failed. Of floor-code there is one sign of life; what is
# done over a shell has no stages that its guest would know of, and no signal.
# shellcheck disable=SC2016 # jq's variables
contract='
def one: .n == 1 and .min > 0 and .min == .max;
def has_all(list): . as $v | list | all(. as $key | $v | has($key));
(.variants | map(.name)) == ("vmgenid," + $kinds | split(","))
and .missing == []
and (.variants | all(.n == 1 and .failed == 0 and (.seen_us | one)))
and (.variants | all(.armed == (.kind | IN("vmgenid", "floor-code", "floor-request"))))
and (.variants | all(.told == if .armed then { armed: 1 }
	elif .kind == "shell" then {} else { vmgenid: 1 } end))
and (.variants | map(select(.name == "floor-code"))
	| all(has("reconfigure_us") or has("apply_us") | not))
and (.variants | map(select(.name != "floor-code"))
	| all((.reconfigure_us | one) and .reconfigure_us.p50 < .total_us.p50))
and (.variants | map(select(.name != "floor-code" and .name != "shell"))
	| all(has_all(["signal_us", "mail_us", "apply_us", "ack_us"])
		and .apply_us.p50 <= .reconfigure_us.p50))
and (.variants | map(select(.name == "shell"))
	| all(has("apply_us") or has("mail_us") | not))'

# A target that is missed is no failure here: the machine is busy elsewhere.
all_are_measured() {
	local report rc

	report=$(timeout 500 "$VMFORK" bench ack --signal vmgenid \
		--compare "$KINDS" -n 1 --csv "$notes/ack.csv" --json)
	rc=$?
	echo "$report"
	[[ $rc = [03] ]] &&
		jq -e --arg kinds "$KINDS" "$contract" <<<"$report" >/dev/null
}

rows_are_there() {
	[ "$(wc -l <"$notes/ack.csv")" = 15 ] &&
		! grep -q failed "$notes/ack.csv"
}

# Nobody but the fork that was measured could speak without an address.
rules_are_as_before() {
	local rules

	rules=$(nft list ruleset) && grep -q '^[[:blank:]]*set .*\.ip4 {' <<<"$rules" &&
		! grep -F 0.0.0.0 <<<"$rules"
}

leaves_nothing() {
	[ "$(vmfork snapshots --json)" = '[]' ] && [ -z "$(vmfork gc)" ] && left_nothing
}

boot src || bail "no source"
vmfork stop src >/dev/null
note_state
check "floors and baselines run through" all_are_measured
check "their rows are kept" rows_are_there
check "ports have no more rights than before" rules_are_as_before
check_fails "a kind that nobody knows" 2 "bench: --compare 'slow'" \
	vmfork bench ack --compare ip,slow
check_fails "a snapshot is its own kind" 2 'bench: --compare: a snapshot' \
	vmfork bench ack nosuch --compare ip
check "nothing of them is left" leaves_nothing
done_testing
