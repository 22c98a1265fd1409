// SPDX-License-Identifier: MIT
/* A guest's moments on the host's clock, and how sure that is. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

#include "base/json.h"
#include "core/timeline.h"

#define OFFSET_US 1000000 /* the host's clock is so far ahead of the guest's */
#define START_US  5000000

/* A datagram whose stages are given on the guest's clock, in microseconds. */
static struct vmfork_ack ack(int64_t signal_us, int64_t mail_us,
			     int64_t applied_us, int64_t sent_us)
{
	struct vmfork_ack a = { .sent_ns = (uint64_t)sent_us * 1000 };

	a.time_ns[VMFORK_STAGE_SIGNAL] = (uint64_t)signal_us * 1000;
	a.time_ns[VMFORK_STAGE_MAIL] = (uint64_t)mail_us * 1000;
	a.time_ns[VMFORK_STAGE_APPLIED] = (uint64_t)applied_us * 1000;
	return a;
}

/* Resumed at 5.0 s of the host, which is 4.0 s of the guest. */
static struct timeline resumed(void)
{
	struct timeline tl;

	timeline_init(&tl);
	tl.at_us[TIMELINE_RESUMED] = START_US;
	return tl;
}

static void no_guest(void **state)
{
	struct timeline tl = resumed();

	(void)state;
	assert_int_equal(timeline_finish(&tl), 0);
	assert_int_equal(tl.at_us[TIMELINE_SIGNAL], 0);
	assert_int_equal(tl.at_us[TIMELINE_RESUMED], START_US);
}

/*
 * Bounds: the first stage came after the resume (offset at least 5.0 - 4.01),
 * the datagram arrived after it was sent (at most 5.0503 - 4.05).
 */
static void bounds(void **state)
{
	struct vmfork_ack a = ack(4010000, 4011000, 4020000, 4050000);
	struct timeline tl = resumed();
	int64_t error_us;

	(void)state;
	timeline_guest(&tl, &a, START_US + 50300);
	error_us = timeline_finish(&tl);
	assert_int_equal(error_us, (10000 + 300 + 1) / 2);
	for (int i = TIMELINE_SIGNAL; i <= TIMELINE_APPLIED; i++)
		assert_in_range(tl.at_us[i], START_US,
				START_US + 50300 + error_us);
	/* distances are the guest's own, whatever the offset */
	assert_int_equal(tl.at_us[TIMELINE_MAIL] - tl.at_us[TIMELINE_SIGNAL],
			 1000);
	assert_int_equal(tl.at_us[TIMELINE_APPLIED] - tl.at_us[TIMELINE_MAIL],
			 9000);
	assert_int_equal(tl.at_us[TIMELINE_SENT] - tl.at_us[TIMELINE_APPLIED],
			 30000);
	/* the truth lies within the error */
	assert_in_range(tl.at_us[TIMELINE_SIGNAL] - (4010000 + OFFSET_US) +
				error_us,
			0, 2 * error_us);
}

/* An answer that the guest timed narrows the bounds from the other side. */
static void answered(void **state)
{
	struct vmfork_ack a = ack(4010000, 4011000, 4020000, 4050000);
	struct timeline tl = resumed();

	(void)state;
	timeline_guest(&tl, &a, START_US + 50100);
	timeline_answered(&tl, 4050300ULL * 1000, START_US + 50200);
	assert_int_equal(timeline_finish(&tl), 100);
	assert_int_equal(tl.at_us[TIMELINE_SIGNAL], START_US + 10000);
	/* a looser one changes nothing, and no time at all is none */
	tl = resumed();
	timeline_guest(&tl, &a, START_US + 50100);
	timeline_answered(&tl, 4050300ULL * 1000, START_US + 50200);
	timeline_answered(&tl, 4090000ULL * 1000, START_US + 50200);
	timeline_answered(&tl, 0, START_US + 50200);
	assert_int_equal(timeline_finish(&tl), 100);
}

/* Of repeated datagrams the one that was fastest bounds best. */
static void repeated(void **state)
{
	struct vmfork_ack slow = ack(4010000, 4011000, 4020000, 4050000);
	struct vmfork_ack fast = ack(4010000, 4011000, 4020000, 4070000);
	struct timeline tl = resumed();

	(void)state;
	timeline_guest(&tl, &slow, START_US + 90000);
	timeline_guest(&tl, &fast, START_US + 70000 + 200);
	timeline_guest(&tl, &slow, START_US + 99000);
	assert_int_equal(timeline_finish(&tl), (10000 + 200 + 1) / 2);
	/* what was heard first is what was waited for */
	assert_int_equal(tl.at_us[TIMELINE_SENT] - tl.at_us[TIMELINE_APPLIED],
			 30000);
}

/* The guest's clock was 4.0 s in the snapshot, give or take 50 us. */
static void restored(void **state)
{
	struct vmfork_ack a = ack(4010000, 4011000, 4020000, 4050000);
	struct timeline tl = resumed();

	(void)state;
	timeline_guest(&tl, &a, START_US + 50300);
	timeline_restored(&tl, 4000000000ULL, 50);
	assert_int_equal(timeline_finish(&tl), 50);
	assert_int_equal(tl.at_us[TIMELINE_SIGNAL], START_US + 10000);
	/* the datagram cuts off a part of what would be possible */
	tl = resumed();
	timeline_guest(&tl, &a, START_US + 50010);
	timeline_restored(&tl, 4000000000ULL, 50);
	assert_int_equal(timeline_finish(&tl), 30);
	/* and what it makes impossible is not believed at all */
	tl = resumed();
	timeline_guest(&tl, &a, START_US + 50300);
	timeline_restored(&tl, 3000000000ULL, 50);
	assert_int_equal(timeline_finish(&tl), (10000 + 300 + 1) / 2);
	tl = resumed();
	timeline_guest(&tl, &a, START_US + 50300);
	timeline_restored(&tl, UINT64_MAX, INT32_MAX);
	assert_int_equal(timeline_finish(&tl), (10000 + 300 + 1) / 2);
}

/* A guest may tell anything. */
static void impossible(void **state)
{
	const struct vmfork_ack acks[] = {
		ack(4010000, 4011000, 9223372036854775, 4050000),
		ack(9223372036854775, 4011000, 4020000, 4050000),
		ack(4010000, 4020000, 4011000, 4050000),
		ack(1, 4011000, 4020000, 9223372036854775),
		ack(4010000, 4011000, 4020000, 4090000),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(acks) / sizeof(acks[0]); i++) {
		struct timeline tl = resumed();

		timeline_guest(&tl, &acks[i], START_US + 50100);
		assert_int_equal(timeline_finish(&tl), 0);
		assert_false(tl.has_guest);
		for (int k = TIMELINE_SIGNAL; k <= TIMELINE_SENT; k++)
			assert_int_equal(tl.at_us[k], 0);
	}
}

/* Clocks that differ a little: nothing before the resume or after the ack. */
static void clamped(void **state)
{
	struct vmfork_ack a = ack(4010000, 4011000, 4050000, 4050000);
	struct timeline tl = resumed();

	(void)state;
	tl.at_us[TIMELINE_ACKED] = START_US + 39000;
	timeline_guest(&tl, &a, START_US + 39000);
	assert_int_equal(timeline_finish(&tl), 499);
	assert_true(tl.has_guest);
	assert_int_equal(tl.at_us[TIMELINE_SIGNAL], START_US);
	assert_int_equal(tl.at_us[TIMELINE_APPLIED], START_US + 39000);
}

static void not_reached(void **state)
{
	struct vmfork_ack a = ack(4010000, 0, 0, 4050000);
	struct timeline tl = resumed();

	(void)state;
	timeline_guest(&tl, &a, START_US + 50100);
	timeline_finish(&tl);
	assert_true(tl.at_us[TIMELINE_SIGNAL] > 0);
	assert_int_equal(tl.at_us[TIMELINE_MAIL], 0);
	assert_int_equal(tl.at_us[TIMELINE_APPLIED], 0);
}

/* What a hostile guest says must not become undefined behaviour. */
static void absurd(void **state)
{
	struct vmfork_ack a = { .sent_ns = UINT64_MAX };
	struct timeline tl = resumed();

	(void)state;
	memset(a.time_ns, 0xff, sizeof(a.time_ns));
	timeline_guest(&tl, &a, START_US);
	timeline_answered(&tl, 1, START_US);
	timeline_answered(&tl, UINT64_MAX, START_US);
	assert_true(timeline_finish(&tl) >= 0);
	tl = resumed();
	a = ack(1, 1, 1, 0);
	timeline_guest(&tl, &a, START_US);
	assert_true(timeline_finish(&tl) >= 0);
}

static void packed(void **state)
{
	struct timeline tl = resumed();
	__json json_t *json = NULL;

	(void)state;
	tl.at_us[TIMELINE_ACKED] = START_US + 123;
	json = timeline_pack(&tl, START_US - 1000);
	assert_int_equal(json_object_size(json), TIMELINE_NUM);
	assert_int_equal(json_integer_value(json_object_get(json, "resumed")),
			 1000);
	assert_int_equal(json_integer_value(json_object_get(json, "acked")),
			 1123);
	assert_true(json_is_null(json_object_get(json, "settled")));
	for (int i = 0; i < TIMELINE_NUM; i++)
		assert_non_null(json_object_get(
			json, timeline_stage_name((enum timeline_stage)i)));
	assert_string_equal(timeline_stage_name(TIMELINE_RESUMED), "resumed");
	assert_string_equal(timeline_stage_name(TIMELINE_SIGNAL), "signal");
	assert_string_equal(timeline_stage_name(TIMELINE_SETTLED), "settled");
}

/* Where nothing was noted a stage follows the one before; never backwards. */
static void beginnings(void **state)
{
	struct timeline tl = resumed();
	__json json_t *json = NULL;

	(void)state;
	tl.at_us[TIMELINE_LOADED] = START_US - 500;
	assert_int_equal(timeline_from(&tl, TIMELINE_RESUMED), START_US - 500);
	assert_int_equal(timeline_from(&tl, TIMELINE_SIGNAL), 0);
	tl.from_us[TIMELINE_RESUMED] = START_US - 20;
	assert_int_equal(timeline_from(&tl, TIMELINE_RESUMED), START_US - 20);
	/* the guest's clock is off by more than it took */
	tl.at_us[TIMELINE_SIGNAL] = START_US - 7;
	assert_int_equal(timeline_from(&tl, TIMELINE_SIGNAL), START_US - 7);
	/* what is beside the chain is nobody's predecessor */
	tl.at_us[TIMELINE_BRIDGE] = START_US + 100;
	tl.at_us[TIMELINE_NEIGHBOUR] = START_US + 200;
	assert_int_equal(timeline_from(&tl, TIMELINE_NEIGHBOUR), START_US - 7);
	json = timeline_pack_from(&tl, START_US - 1000);
	assert_int_equal(json_object_size(json), TIMELINE_NUM);
	assert_int_equal(json_integer_value(json_object_get(json, "resumed")),
			 980);
	assert_true(json_is_null(json_object_get(json, "acked")));
}

static void names(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < VMFORK_STEP_NUM; i++)
		assert_non_null(timeline_step_name(i));
	assert_non_null(timeline_step_name(VMFORK_STEP_NUM));
	assert_non_null(timeline_step_name(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_guest),    cmocka_unit_test(bounds),
		cmocka_unit_test(answered),    cmocka_unit_test(repeated),
		cmocka_unit_test(impossible),  cmocka_unit_test(clamped),
		cmocka_unit_test(not_reached), cmocka_unit_test(absurd),
		cmocka_unit_test(packed),      cmocka_unit_test(names),
		cmocka_unit_test(restored),    cmocka_unit_test(beginnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
