#!/bin/sh
# SPDX-License-Identifier: MIT
# time: 400
# waits
# The runner itself: what fails must be seen to fail.
# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

tree=$(realpath -m "$BUILD/tests/runner")
rm -rf "$tree"
mkdir -p "$tree/tests/static"
cp tests/run tests/lane tests/inventory.sh "$tree/tests/"

no_tests() {
	rm -rf "$tree"/tests/static/*.sh "$tree/notes"
	mkdir "$tree/notes"
}

a_test() { # NAME BODY [TIME [MARK]]
	printf '%s\n' '#!/bin/sh' "# time: ${3:-2}" "${4:-#}" "$2" \
		>"$tree/tests/static/$1.sh"
	chmod +x "$tree/tests/static/$1.sh"
}

# Their output is kept in $out.
ends_in() { # COUNTS [LANES]
	out=$(cd "$tree" && BUILD=build TESTS='*' LANES=${2:-1} tests/run static 2>&1)
	status=$?
	[ "$(echo "$out" | tail -n 1)" = "$1" ] || {
		echo "$out"
		return 1
	}
	case $1 in
	*' 0 failed'*) [ $status = 0 ] ;;
	*) [ $status != 0 ] ;;
	esac
}

# a test of that body ends in these counts
runs() { # NAME COUNTS BODY
	no_tests
	a_test one "$3"
	ends_in "$2"
}

point() { # NAME COUNTS BODY
	result "$1" runs "$@"
}

no_test_matches() {
	no_tests
	ends_in "tests/run: no test of static matches '*': write GROUP/NAME, as 'vm/fork*'"
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
result "a pattern that no test matches" no_test_matches
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

# --- lanes -------------------------------------------------------------------

# What a test does until another one has noted something, within its limit.
await() { # WORD
	echo "until grep -qx '$1' notes/all; do sleep 0.05; done"
}

note() { # WORD: before anything else that it does
	echo "echo '$1' >>notes/all"
}

one_point='echo "ok - a"; echo 1..1'

order_is() { # WORDS...
	[ "$(tr '\n' ' ' <"$tree/notes/all")" = "$* " ] || {
		cat "$tree/notes/all"
		return 1
	}
}

# Each waits for the other.
side_by_side() {
	no_tests
	a_test one "$(note one); $(await two); $one_point" 20
	a_test two "$(note two); $(await one); $one_point" 20
	ends_in '2 passed, 0 failed, 0 skipped' 2
}

one_after_the_other() {
	no_tests
	a_test one "$(note one); sleep 0.5; $(note end); $one_point" 20
	a_test two "$(note two); $one_point" 20
	ends_in '2 passed, 0 failed, 0 skipped' 1 && order_is one end two
}

# The longest first.
times_are_kept() {
	no_tests
	a_test one "$one_point"
	a_test two "sleep 1.5; $one_point" 20
	ends_in '2 passed, 0 failed, 0 skipped' 2 &&
		[ "$(sed -E 's/^[0-9]+\.[0-9] //' "$tree/build/tests/times" |
			tr '\n' ' ')" = "static/two static/one " ]
}

failure_counts() {
	no_tests
	a_test one "$(note one); $(await two); echo 'words'; echo 'not ok - a'; echo 1..1" 20
	a_test two "$(note two); $(await one); $one_point" 20
	ends_in "$both" 2 && echo "$out" | grep -q '^FAIL static/one: a ' &&
		echo "$out" | grep -qx '     | words'
}

# The other one ends while the link is there, in a namespace that it is not in.
leftover_is_of_one() {
	no_tests
	a_test one "ip link add vfb-left type bridge; $(note one); $one_point" 20
	a_test two "$(await one); $one_point" 20
	ends_in '2 passed, 1 failed, 0 skipped' 2 &&
		echo "$out" | grep -q '^FAIL static/one: left something behind'
}

# Nor of the one that comes next in that lane.
leftover_is_of_no_other() {
	no_tests
	a_test one "ip link add vfb-left type bridge; $one_point" 20
	a_test two "$one_point" 20
	ends_in '2 passed, 1 failed, 0 skipped' 1
}

timeout_hurts_no_other() {
	no_tests
	a_test one "$(note one); sleep 60" 2
	a_test two "$(await one); sleep 3; $one_point" 20
	ends_in "$both" 2 && echo "$out" |
		grep -q '^FAIL static/one: not done after 2 s'
}

alone_is_alone() {
	no_tests
	a_test one "$(note one); $(await two); sleep 0.5; $(note end); $one_point" 20
	a_test two "$(note two); $(await one); sleep 0.5; $(note end); $one_point" 20
	for each in alone again; do
		a_test "$each" "$(note begin); sleep 0.3; $(note over); $one_point" \
			60 '# alone'
	done
	ends_in '4 passed, 0 failed, 0 skipped' 2 &&
		sed -i 's/one\|two/any/' "$tree/notes/all" &&
		order_is any any end end begin over begin over
}

# In two lanes, and what waits beside them.
waits_beside() {
	no_tests
	for each in one two three; do
		a_test "$each" "$(note "$each"); $(for other in one two three; do
			echo "$(await "$other");"
		done) $one_point" 20 "$([ "$each" != three ] || echo '# waits')"
	done
	ends_in '3 passed, 0 failed, 0 skipped' 2
}

# Points with names that are as long as they come, of two tests at once.
lines_are_whole() {
	no_tests
	for each in one two; do
		a_test $each "$(note $each); for i in \$(seq 200); do
			printf 'ok - %0900d\n' \$i; done; echo 1..200" 60
	done
	ends_in '400 passed, 0 failed, 0 skipped' 2 &&
		[ "$(echo "$out" | grep -cE \
			'^ok   static/(one|two): [0-9]{900} \([0-9.]+ s\)$')" = 400 ]
}

# --- a run that is interrupted -----------------------------------------------

processes_left() {
	cat /proc/[0-9]*/comm 2>/dev/null | grep -x vmfork-left
}

# The signal comes while one test runs, and a child of its is on its own.
interrupted_by() { # SIGNAL
	no_tests
	a_test one "cp /bin/sleep notes/vmfork-left
		setsid notes/vmfork-left 60 & $(note one); sleep 60" 60
	(cd "$tree" && BUILD=build TESTS='*' LANES=2 \
		exec tests/run static >notes/out 2>&1) &
	run=$!
	tries=100
	# the shell may be sooner than what it has started
	until { grep -qsx one "$tree/notes/all" && [ -n "$(processes_left)" ]; } ||
		[ $((tries -= 1)) = 0 ]; do
		sleep 0.1
	done
	[ -n "$(processes_left)" ] || echo "it did not begin"
	kill "-$1" $run
	{ wait $run; } 2>/dev/null
	status=$?
	# a run that is killed cannot wait for its processes
	tries=50
	until [ -z "$(processes_left)" ] || [ $((tries -= 1)) = 0 ]; do
		sleep 0.1
	done
	processes_left
	[ "$1" = KILL ] || {
		[ $status = 130 ] || echo "exit status $status"
		grep -qx 'tests/run: interrupted' "$tree/notes/out" ||
			cat "$tree/notes/out"
		ls -d "$tree/build/tests/lanes" "$tree/build/tests/state" 2>/dev/null
	}
}

result "two tests run side by side" side_by_side
result "in one lane one after the other" one_after_the_other
result "what each took is kept" times_are_kept
result "a failure in one lane counts" failure_counts
result "what is left in one lane is held against one test" leftover_is_of_one
result "and not against the next" leftover_is_of_no_other
result "one that hangs does not hurt the other" timeout_hurts_no_other
result "one that wants to be alone is" alone_is_alone
result "one that waits is beside the others" waits_beside
result "lines of two lanes do not mix" lines_are_whole
nothing "a run that is interrupted leaves nothing" interrupted_by TERM
nothing "one that is killed leaves no process" interrupted_by KILL
rm -rf "$tree"
done_testing
