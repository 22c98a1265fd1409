// SPDX-License-Identifier: MIT
/*
 * What a guest says became of its tasks: told in our words, and no word of a
 * hostile one is believed further than it goes.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "core/settle.h"
#include "names.h"
#include "vmfork_payload.h"

#define SNAPSHOT_NS 5000000000ULL

static json_t *told(const struct vmfork_status *status, uint64_t snapshot_ns)
{
	struct settle settle;

	settle_note(&settle, status, snapshot_ns);
	return settle_pack(&settle);
}

static const char *task(const json_t *json, enum vmfork_task number)
{
	return json_string_value(json_object_get(json_object_get(json, "tasks"),
						 vmfork_task_name(number)));
}

static json_int_t number(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void nothing_known(void **state)
{
	struct settle settle = { 0 };
	__json json_t *json = settle_pack(&settle);

	(void)state;
	assert_true(json_is_null(json));
}

static void all_well(void **state)
{
	const struct vmfork_status status = {
		.reseed = VMFORK_RESEED_DONE,
		.reseed_ns = SNAPSHOT_NS + 42000,
		.clock_source = VMFORK_CLOCK_MAIL,
		.skew_before_ns = (uint64_t)-7000000,
		.skew_after_ns = 3000,
		.num_killed = 200,
		.tasks_done = 1U << VMFORK_TASK_CLOCK | 1U << VMFORK_TASK_TCP,
	};
	__json json_t *json = told(&status, SNAPSHOT_NS);
	struct settle settle;
	struct vf_err err;

	(void)state;
	assert_non_null(json);
	assert_int_equal(json_object_size(json_object_get(json, "tasks")),
			 VMFORK_TASK_NUM);
	assert_string_equal(task(json, VMFORK_TASK_CLOCK), "done");
	assert_string_equal(task(json, VMFORK_TASK_TCP), "done");
	assert_string_equal(task(json, VMFORK_TASK_HOOKS), "none");
	assert_string_equal(json_string_value(json_object_get(json, "clock")),
			    "mail");
	assert_string_equal(json_string_value(json_object_get(json, "reseed")),
			    "done");
	assert_int_equal(number(json, "skew_before_us"), -7000);
	assert_int_equal(number(json, "skew_after_us"), 3);
	assert_int_equal(number(json, "reseed_window_us"), 42);
	assert_int_equal(number(json, "killed"), 200);
	settle_note(&settle, &status, SNAPSHOT_NS);
	assert_int_equal(settle_judge(&settle, &err), 0);
	assert_int_equal(err.num, 0);
}

/* Right enough to be left alone: its skew is known, as it is in the guest. */
static void clock_left_alone(void **state)
{
	const struct vmfork_status status = {
		.clock_source = VMFORK_CLOCK_NONE,
		.skew_before_ns = (uint64_t)-700000,
		.skew_after_ns = (uint64_t)-700000,
		.tasks_done = 1U << VMFORK_TASK_CLOCK,
	};
	__json json_t *json = told(&status, SNAPSHOT_NS);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(json, "clock")),
			    "none");
	assert_int_equal(number(json, "skew_before_us"), -700);
	assert_int_equal(number(json, "skew_after_us"), -700);
}

/* From the stamp to the first instruction; of a stamp that was never made: null. */
static void told_late(void **state)
{
	static const struct {
		int64_t stamped_us, resumed_us;
		bool is_known;
	} rows[] = {
		{ 1000, 1350, true },
		{ 1000, 1000, true },
		{ 0, 1350, false },
		{ 1000, 0, false },
	};
	const struct vmfork_status status = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		__json json_t *json = NULL;
		struct settle settle;

		settle_note(&settle, &status, 0);
		settle_note_stamp(&settle, rows[i].stamped_us,
				  rows[i].resumed_us);
		json = settle_pack(&settle);
		if (rows[i].is_known)
			assert_int_equal(number(json, "clock_late_us"),
					 rows[i].resumed_us -
						 rows[i].stamped_us);
		else
			assert_true(json_is_null(
				json_object_get(json, "clock_late_us")));
	}
}

/* A clock that was not read has no skew, one that is not known no window. */
static void not_said(void **state)
{
	const struct vmfork_status early = { .reseed_ns = SNAPSHOT_NS - 1 };
	const struct vmfork_status late = { .reseed_ns = SNAPSHOT_NS };
	__json json_t *a = told(&early, SNAPSHOT_NS), *b = told(&late, 0);

	(void)state;
	assert_true(json_is_null(json_object_get(a, "skew_before_us")));
	assert_true(json_is_null(json_object_get(a, "skew_after_us")));
	assert_true(json_is_null(json_object_get(a, "reseed_window_us")));
	assert_true(json_is_null(json_object_get(b, "reseed_window_us")));
	assert_string_equal(json_string_value(json_object_get(a, "clock")),
			    "none");
}

static void failures(void **state)
{
	struct vmfork_status status = {
		/* both: it has failed */
		.tasks_done = 1U << VMFORK_TASK_HOSTNAME,
		.tasks_failed = 1U << VMFORK_TASK_HOSTNAME,
		.task_error[VMFORK_TASK_HOSTNAME] = EROFS,
	};
	struct settle settle;
	struct vf_err err;
	__json json_t *json = told(&status, 0);

	(void)state;
	assert_string_equal(task(json, VMFORK_TASK_HOSTNAME), "failed");
	settle_note(&settle, &status, 0);
	assert_int_equal(settle_judge(&settle, &err), -EROFS);
	assert_string_equal(err.msg,
			    "settled, but hostname: Read-only file system");

	status.reseed = VMFORK_RESEED_FAILED;
	status.reseed_error = EPERM;
	status.tasks_failed |= 1U << VMFORK_TASK_HOOKS;
	status.task_error[VMFORK_TASK_HOOKS] = ETIMEDOUT;
	settle_note(&settle, &status, 0);
	assert_int_equal(settle_judge(&settle, &err), -EPERM);
	assert_string_equal(
		err.msg,
		"settled, but reseed: Operation not permitted; hostname: "
		"Read-only file system; hooks: Connection timed out");
}

/* Each word as wrong as it can be. */
static void hostile(void **state)
{
	struct vmfork_status status;
	struct settle settle;
	struct vf_err err;
	__json json_t *json = NULL;

	(void)state;
	memset(&status, 0xff, sizeof(status));
	json = told(&status, 1);
	assert_non_null(json);
	assert_int_equal(json_object_size(json_object_get(json, "tasks")),
			 VMFORK_TASK_NUM);
	assert_true(json_is_null(json_object_get(json, "clock")));
	assert_true(json_is_null(json_object_get(json, "reseed")));
	assert_true(number(json, "reseed_window_us") > 0);
	assert_int_equal(number(json, "killed"), UINT32_MAX);
	settle_note(&settle, &status, 1);
	assert_int_equal(settle_judge(&settle, &err), -EPROTO);
	assert_non_null(strstr(err.msg, "settled, but clock: Protocol error"));
	assert_non_null(strstr(err.msg, "notify: "));
	/* bits of no task */
	status.tasks_failed = ~0U << VMFORK_TASK_NUM;
	settle_note(&settle, &status, 1);
	assert_int_equal(settle_judge(&settle, &err), 0);
}

static void refusals(void **state)
{
	const uint32_t mtu = (uint32_t)VMFORK_A_LINK << 24 |
			     VMFORK_L_MTU << 16 | VMFORK_WHY_RANGE;
	static const struct {
		uint32_t error, step, detail;
		int ret;
		const char *want;
	} rows[] = {
		{ ERANGE, VMFORK_STEP_DECODE, 0, -ERANGE,
		  "the guest refused its mail: payload: no reason" },
		{ EBADMSG, VMFORK_STEP_VERIFY, 0, -EBADMSG,
		  "the guest refused its mail: Bad message" },
		{ EEXIST, VMFORK_STEP_ADDR_ADD, UINT32_MAX, -EEXIST,
		  "the guest failed at step addr-add: File exists" },
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX, -EPROTO,
		  "the guest failed at step unknown: Protocol error" },
		{ UINT32_MAX, VMFORK_STEP_DECODE, UINT32_MAX, -EPROTO,
		  "the guest refused its mail: attribute 255.attribute 255."
		  "attribute 255: unknown reason" },
	};
	struct vf_err err;

	(void)state;
	assert_int_equal(settle_refusal(ERANGE, VMFORK_STEP_DECODE, mtu, &err),
			 -ERANGE);
	assert_string_equal(
		err.msg, "the guest refused its mail: link.mtu: out of range");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(settle_refusal(rows[i].error, rows[i].step,
						rows[i].detail, &err),
				 rows[i].ret);
		assert_string_equal(err.msg, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_known),    cmocka_unit_test(all_well),
		cmocka_unit_test(not_said),	    cmocka_unit_test(failures),
		cmocka_unit_test(hostile),	    cmocka_unit_test(refusals),
		cmocka_unit_test(clock_left_alone), cmocka_unit_test(told_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
