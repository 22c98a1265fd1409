// SPDX-License-Identifier: MIT
/* Every number of the mailbox has a name of its own, and no other has one. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

#include "names.h"
#include "vmfork_mailbox.h"

static void check(const char *(*name)(uint32_t), uint32_t num)
{
	for (uint32_t i = 0; i < num; i++) {
		assert_non_null(name(i));
		for (uint32_t k = 0; k < i; k++)
			assert_string_not_equal(name(i), name(k));
	}
	assert_null(name(num));
	assert_null(name(UINT32_MAX));
}

static void test_distinct(void **state)
{
	(void)state;
	check(vmfork_signal_name, VMFORK_SIGNAL_NUM);
	check(vmfork_stage_name, VMFORK_STAGE_NUM);
	check(vmfork_step_name, VMFORK_STEP_NUM);
}

/* Words that programs read in the JSON of both sides. */
static void test_contract(void **state)
{
	(void)state;
	assert_string_equal(vmfork_signal_name(VMFORK_SIGNAL_VMCLOCK_SPIN),
			    "vmclock-spin");
	assert_string_equal(vmfork_signal_name(VMFORK_SIGNAL_CHECK), "check");
	assert_string_equal(vmfork_stage_name(VMFORK_STAGE_SETTLED), "settled");
	assert_string_equal(vmfork_step_name(VMFORK_STEP_MAIL), "mail");
	assert_string_equal(vmfork_step_name(VMFORK_STEP_UNDO), "undo");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distinct),
		cmocka_unit_test(test_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
