// SPDX-License-Identifier: MIT
/* Sets of pages as runs: what is added is found, and order is insisted on. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>

#include "base/extent.h"

static void runs_join(void **state)
{
	struct extents set = { 0 };

	(void)state;
	assert_int_equal(extents_add(&set, 3, 2), 0);
	assert_int_equal(extents_add(&set, 5, 1), 0);
	assert_int_equal(extents_add(&set, 9, 0), 0);
	assert_int_equal(extents_add(&set, 7, 4), 0);
	assert_int_equal(set.num, 2);
	assert_int_equal(set.pages, 7);
	assert_int_equal(set.runs[0].page, 3);
	assert_int_equal(set.runs[0].num, 3);
	assert_int_equal(set.runs[1].page, 7);
	extents_exit(&set);
	assert_int_equal(set.num, 0);
	assert_int_equal(set.pages, 0);
}

static void order_is_kept(void **state)
{
	struct extents set = { 0 };

	(void)state;
	assert_int_equal(extents_add(&set, 10, 5), 0);
	assert_int_equal(extents_add(&set, 14, 1), -EINVAL);
	assert_int_equal(extents_add(&set, 2, 1), -EINVAL);
	assert_int_equal(extents_add(&set, UINT64_MAX, 2), -EINVAL);
	assert_int_equal(set.pages, 5);
	extents_exit(&set);
}

static void next_is_found(void **state)
{
	struct extents set = { 0 };

	(void)state;
	assert_null(extents_next(&set, 0));
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(extents_add(&set, 10 * i + 5, 3), 0);
	for (uint64_t page = 0; page < 10000; page++) {
		const struct extent *e = extents_next(&set, page);
		uint64_t run = page / 10 + (page % 10 > 7);

		if (run == 1000) {
			assert_null(e);
			continue;
		}
		assert_non_null(e);
		assert_int_equal(e->page, 10 * run + 5);
	}
	extents_exit(&set);
}

static void zeros_are_seen(void **state)
{
	uint8_t page[EXTENT_PAGE] = { 0 };

	(void)state;
	assert_true(extent_is_zero(page));
	for (size_t i = 0; i < sizeof(page); i++) {
		page[i] = 1;
		assert_false(extent_is_zero(page));
		page[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_join),
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(next_is_found),
		cmocka_unit_test(zeros_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
