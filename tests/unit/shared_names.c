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
	check(vmfork_task_name, VMFORK_TASK_NUM);
	check(vmfork_reseed_name, VMFORK_RESEED_NUM);
	check(vmfork_clock_name, VMFORK_CLOCK_NUM);
	check(vmfork_policy_name, VMFORK_POLICY_NUM);
}

/* Words that programs read in the JSON of both sides. */
static void test_contract(void **state)
{
	(void)state;
	assert_string_equal(vmfork_signal_name(VMFORK_SIGNAL_VMCLOCK_SPIN),
			    "vmclock-spin");
	assert_string_equal(vmfork_signal_name(VMFORK_SIGNAL_CHECK), "check");
	assert_string_equal(vmfork_signal_name(VMFORK_SIGNAL_ARMED), "armed");
	assert_string_equal(vmfork_stage_name(VMFORK_STAGE_SETTLED), "settled");
	assert_string_equal(vmfork_step_name(VMFORK_STEP_MAIL), "mail");
	assert_string_equal(vmfork_step_name(VMFORK_STEP_UNDO), "undo");
}

/* Of a task that is said to be both, the worse is believed. */
static void test_task_result(void **state)
{
	const struct vmfork_status status = {
		.tasks_done = 1U << VMFORK_TASK_CLOCK | 1U << VMFORK_TASK_TCP,
		.tasks_failed = 1U << VMFORK_TASK_TCP | 1U << VMFORK_TASK_THAW,
	};

	(void)state;
	assert_string_equal(vmfork_task_result(&status, VMFORK_TASK_CLOCK),
			    "done");
	assert_string_equal(vmfork_task_result(&status, VMFORK_TASK_TCP),
			    "failed");
	assert_string_equal(vmfork_task_result(&status, VMFORK_TASK_THAW),
			    "failed");
	assert_string_equal(vmfork_task_result(&status, VMFORK_TASK_HOOKS),
			    "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distinct),
		cmocka_unit_test(test_contract),
		cmocka_unit_test(test_task_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
