// SPDX-License-Identifier: MIT
/* When the forks of a burst go: events in, how many may go out. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include "core/wave.h"

#define S 1000000

static void move(struct wave *w, unsigned int num, enum wave_place from,
		 enum wave_place to)
{
	while (num--)
		wave_move(w, from, to);
}

/* Start, load and resume all that may be. */
static unsigned int go(struct wave *w)
{
	unsigned int num, resumed = 0;

	do {
		move(w, wave_may_load(w), WAVE_WAITING, WAVE_LOADING);
		move(w, w->num[WAVE_LOADING], WAVE_LOADING, WAVE_LOADED);
		num = wave_may_resume(w);
		move(w, num, WAVE_LOADED, WAVE_GOING);
		resumed += num;
	} while (num);
	return resumed;
}

static void test_width(void **state)
{
	struct wave w;

	(void)state;
	wave_init(&w, 10, 2, 2);
	assert_int_equal(wave_may_resume(&w), 0);
	assert_int_equal(wave_may_load(&w), 3);
	assert_int_equal(go(&w), 2);
	/* one is ready ahead of its turn, and no more are started */
	assert_int_equal(w.num[WAVE_LOADED], 1);
	assert_int_equal(wave_may_load(&w), 0);
	/* one that is heard makes room for the next */
	wave_heard(&w, S);
	wave_move(&w, WAVE_GOING, WAVE_OVER);
	assert_int_equal(wave_may_resume(&w), 1);
	assert_int_equal(go(&w), 1);
	assert_int_equal(w.num[WAVE_GOING], 2);
}

/* One more than processors, unless another width is asked for. */
static void test_width_that_suits(void **state)
{
	struct wave w;

	(void)state;
	wave_init(&w, 10, 0, 2);
	assert_int_equal(go(&w), 3);
}

static void test_resuming_counts(void **state)
{
	struct wave w;

	(void)state;
	wave_init(&w, 3, 1, 1);
	move(&w, 2, WAVE_WAITING, WAVE_LOADED);
	assert_int_equal(wave_may_resume(&w), 1);
	wave_move(&w, WAVE_LOADED, WAVE_RESUMING);
	assert_int_equal(wave_may_resume(&w), 0);
	/* it failed on the way */
	wave_move(&w, WAVE_RESUMING, WAVE_OVER);
	assert_int_equal(wave_may_resume(&w), 1);
}

static void test_loaders(void **state)
{
	struct wave w;

	(void)state;
	wave_init(&w, 100, 50, 2);
	assert_int_equal(wave_may_load(&w), 3);
	move(&w, 3, WAVE_WAITING, WAVE_LOADING);
	assert_int_equal(wave_may_load(&w), 0);
	/* one that does not come to an end holds up nobody */
	wave_move(&w, WAVE_LOADING, WAVE_STUCK);
	assert_int_equal(wave_may_load(&w), 1);
	assert_false(wave_is_over(&w));
	/* but they are not so many that all are loaded side by side */
	for (unsigned int i = 0; i < 50; i++) {
		unsigned int num = wave_may_load(&w);

		move(&w, num, WAVE_WAITING, WAVE_LOADING);
		move(&w, w.num[WAVE_LOADING], WAVE_LOADING, WAVE_STUCK);
	}
	assert_int_equal(w.num[WAVE_STUCK], 6);
	wave_move(&w, WAVE_STUCK, WAVE_OVER);
	assert_int_equal(wave_may_load(&w), 1);
}

/* That guests do not answer makes no engine stuck. */
static void test_load_patience(void **state)
{
	struct wave w;
	int64_t first;

	(void)state;
	wave_init(&w, 100, 2, 2);
	first = wave_load_patience_us(&w);
	assert_true(first >= 2 * S);
	wave_loaded(&w, 1000);
	while (!wave_is_over(&w)) {
		assert_true(go(&w) > 0);
		move(&w, w.num[WAVE_GOING], WAVE_GOING, WAVE_LATE);
	}
	assert_true(wave_patience_us(&w) < S);
	assert_int_equal(wave_load_patience_us(&w), first);
	/* where one took long, others may */
	wave_loaded(&w, 10 * S);
	wave_loaded(&w, S);
	assert_true(wave_load_patience_us(&w) > 20 * S);
}

static void test_fewer_than_width(void **state)
{
	struct wave w;

	(void)state;
	wave_init(&w, 1, 8, 8);
	assert_int_equal(wave_may_load(&w), 1);
	assert_int_equal(go(&w), 1);
	assert_int_equal(wave_may_load(&w), 0);
	assert_false(wave_is_over(&w));
	wave_move(&w, WAVE_GOING, WAVE_OVER);
	assert_true(wave_is_over(&w));
}

static void test_all(void **state)
{
	struct wave w;

	(void)state;
	wave_init_all(&w, 5);
	assert_int_equal(wave_may_load(&w), 5);
	move(&w, 3, WAVE_WAITING, WAVE_LOADING);
	move(&w, 3, WAVE_LOADING, WAVE_LOADED);
	/* none before all are there, */
	assert_int_equal(wave_may_resume(&w), 0);
	move(&w, 2, WAVE_WAITING, WAVE_LOADING);
	assert_int_equal(wave_may_resume(&w), 0);
	wave_move(&w, WAVE_LOADING, WAVE_OVER);
	assert_int_equal(wave_may_resume(&w), 0);
	/* but for one that holds up all others */
	wave_move(&w, WAVE_LOADING, WAVE_STUCK);
	assert_int_equal(wave_may_resume(&w), 3);
	move(&w, 3, WAVE_LOADED, WAVE_GOING);
	wave_move(&w, WAVE_STUCK, WAVE_LOADED);
	assert_int_equal(wave_may_resume(&w), 1);
}

static void test_late(void **state)
{
	struct wave w;

	(void)state;
	wave_init(&w, 10, 2, 2);
	assert_int_equal(go(&w), 2);
	wave_move(&w, WAVE_GOING, WAVE_LATE);
	assert_int_equal(go(&w), 1);
	/* heard after all: nothing more goes for it */
	wave_heard(&w, 9 * S);
	wave_move(&w, WAVE_LATE, WAVE_OVER);
	assert_int_equal(go(&w), 0);
}

static void test_patience(void **state)
{
	int64_t first, us, total = 0;
	struct wave w;

	(void)state;
	wave_init(&w, 1000, 2, 2);
	first = wave_patience_us(&w);
	assert_true(first >= S);
	/* by what was seen, but never by a moment */
	wave_heard(&w, 1000);
	assert_int_equal(wave_patience_us(&w), S);
	wave_heard(&w, 3 * S);
	assert_true(wave_patience_us(&w) > 6 * S);
	/* nobody answers: all of them are not waited for one by one */
	while (!wave_is_over(&w)) {
		assert_true(go(&w) > 0);
		us = wave_patience_us(&w);
		total += us;
		move(&w, w.num[WAVE_GOING], WAVE_GOING, WAVE_LATE);
	}
	assert_true(total < 60 * S);
	us = wave_patience_us(&w);
	assert_true(us > 0 && us < S);
	/* until one does */
	wave_heard(&w, 3 * S);
	assert_true(wave_patience_us(&w) > 6 * S);
}

/* Whatever happens to them: all go, and never more at once than may. */
static void test_any_order(void **state)
{
	unsigned int seed = 1;
	struct wave w;

	(void)state;
	for (unsigned int num = 1; num <= 60; num++) {
		wave_init(&w, num, 1 + num % 4, 1 + num % 3);
		while (!wave_is_over(&w)) {
			unsigned int before =
				w.num[WAVE_OVER] + w.num[WAVE_LATE];

			go(&w);
			assert_true(w.num[WAVE_GOING] <= w.width);
			seed = seed * 1103515245 + 12345;
			assert_true(w.num[WAVE_GOING] > 0);
			wave_move(&w, WAVE_GOING,
				  seed >> 16 & 1 ? WAVE_LATE : WAVE_OVER);
			assert_true(w.num[WAVE_OVER] + w.num[WAVE_LATE] ==
				    before + 1);
		}
		assert_int_equal(w.num[WAVE_OVER] + w.num[WAVE_LATE], num);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_width_that_suits),
		cmocka_unit_test(test_resuming_counts),
		cmocka_unit_test(test_loaders),
		cmocka_unit_test(test_load_patience),
		cmocka_unit_test(test_fewer_than_width),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
