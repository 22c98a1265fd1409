#!/bin/sh
# SPDX-License-Identifier: MIT
# time: 60
# The runner itself: what fails must be seen to fail.
# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

tree=$ROOT/$BUILD/tests/runner
rm -rf "$tree"
mkdir -p "$tree/tests/static"
cp tests/run tests/inventory.sh "$tree/tests/"

# runs NAME COUNTS [BODY...]: a test of that body ends in these counts
runs() {
	rm -f "$tree"/tests/static/*.sh
	printf '%s\n' '#!/bin/sh' '# time: 2' "$3" >"$tree/tests/static/one.sh"
	chmod +x "$tree/tests/static/one.sh"
	out=$(cd "$tree" && BUILD=build TESTS='*' tests/run static 2>&1)
	status=$?
	[ "$(echo "$out" | tail -n 1)" = "$2" ] || {
		echo "$out"
		return 1
	}
	case $2 in
	*' 0 failed'*) [ $status = 0 ] ;;
	*) [ $status != 0 ] ;;
	esac
}

point() { # NAME COUNTS BODY
	result "$1" runs "$@"
}

one_failed='0 passed, 1 failed, 0 skipped'
both='1 passed, 1 failed, 0 skipped'
point "a point that holds" '1 passed, 0 failed, 0 skipped' \
	'echo "ok - a"; echo 1..1'
point "a point that does not" "$one_failed" 'echo "not ok - a"; echo 1..1'
point "one that is skipped" '0 passed, 0 failed, 1 skipped' \
	'echo "ok - a # SKIP b"; echo 1..1'
point "a test that says nothing" "$one_failed" ':'
point "one that ends before its plan" "$both" 'echo "ok - a"'
point "one that plans more than it does" "$both" 'echo 1..2; echo "ok - a"'
point "one that exits non-zero" "$both" 'echo 1..1; echo "ok - a"; exit 1'
point "one that hangs" "$both" 'echo 1..1; echo "ok - a"; sleep 60'
point "one that hangs and will not be ended" "$both" \
	'trap "" TERM; echo 1..1; echo "ok - a"; while :; do sleep 1; done'
# What leaves something behind: the namespaces take it away afterwards. Without
# them it would be left on the host itself.
if [ "${VMFORK_TEST_ISOLATED:-0}" != 1 ]; then
	skip "one that leaves something" "namespaces are not permitted here"
	done_testing
	exit
fi
point "one that leaves a link" "$both" \
	'echo 1..1; echo "ok - a"; ip link add vfb-left type bridge'
point "one that leaves a process" "$both" \
	'echo 1..1; echo "ok - a"; cp /bin/sleep ./vmfork-left
	setsid ./vmfork-left 60 >/dev/null 2>&1 &'
point "one that leaves a file" "$both" \
	'echo 1..1; echo "ok - a"; mkdir -p build/tests/state; : >build/tests/state/f'
rm -rf "$tree"
done_testing
