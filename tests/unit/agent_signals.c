// SPDX-License-Identifier: MIT
/* What counts as a restore, and what only looks like one. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

#include "signals.h"

#define TEXT "random: crng reseeded due to virtual machine fork"

static void test_kmsg(void **state)
{
	static const struct {
		const char *record;
		bool is_fork;
	} rows[] = {
		{ "5,311,9000,-;" TEXT "\n", true },
		{ "6,311,9000,-,caller=T1;" TEXT "\n", true },
		{ "5,311,9000,-;" TEXT "\n SUBSYSTEM=acpi\n", true },
		{ "5,311,9000,-;" TEXT, true },
		/* facility 1: written by userspace */
		{ "13,311,9000,-;" TEXT "\n", false },
		{ "8,311,9000,-;" TEXT "\n", false },
		{ "5,311,9000,-;" TEXT " really\n", false },
		{ "5,311,9000,-;x " TEXT "\n", false },
		{ "5,311,9000,-;random: crng init done\n", false },
		{ "5,311,9000,-;\n", false },
		{ "5,311,9000,-\n", false },
		{ ";" TEXT "\n", false },
		{ "-5,1,1,-;" TEXT "\n", false },
		{ "18446744073709551616,1,1,-;" TEXT "\n", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			kmsg_is_fork(rows[i].record, strlen(rows[i].record)),
			rows[i].is_fork);
}

static void test_kmsg_prefixes(void **state)
{
	static const char record[] = "5,311,9000,-;" TEXT;

	(void)state;
	for (size_t len = 0; len < sizeof(record) - 1; len++)
		assert_false(kmsg_is_fork(record, len));
	assert_true(kmsg_is_fork(record, sizeof(record) - 1));
}

static void test_vmclock(void **state)
{
	struct vmclock clock = {
		.seq_count = 4,
		.disruption_marker = 7,
		.vm_generation_counter = 9,
	};
	uint64_t value;

	(void)state;
	assert_int_equal(vmclock_value(&clock, &value), 0);
	assert_int_equal(value, 7);
	clock.flags = VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT;
	assert_int_equal(vmclock_value(&clock, &value), 0);
	assert_int_equal(value, 9);
	clock.seq_count = 5; /* for ever being written: not for ever tried */
	assert_true(vmclock_value(&clock, &value) < 0);
}

static int fake_look(struct signal_source *src)
{
	int ret = (int)src->seen;

	src->seen = 0;
	return ret;
}

static const struct signal_ops fake_a = { .kind = VMFORK_SIGNAL_VMGENID,
					  .look = fake_look };
static const struct signal_ops fake_b = { .kind = VMFORK_SIGNAL_VMCLOCK,
					  .look = fake_look };

/* One restore that wakes two sources, one of them late, is one restore. */
static void test_one_restore(void **state)
{
	struct signals sigs = { .num = 2 };

	(void)state;
	sigs.source[0].ops = &fake_a;
	sigs.source[1].ops = &fake_b;
	assert_int_equal(signals_look(&sigs), VMFORK_SIGNAL_NONE);

	sigs.source[0].seen = 1;
	sigs.source[1].seen = 1;
	assert_int_equal(signals_look(&sigs), VMFORK_SIGNAL_VMGENID);
	sigs.source[1].seen = 1;
	assert_int_equal(signals_look(&sigs), VMFORK_SIGNAL_VMCLOCK);
	sigs.source[0].seen = 1; /* late */
	assert_int_equal(signals_look(&sigs), VMFORK_SIGNAL_NONE);
	sigs.source[0].seen = 1; /* the next one */
	assert_int_equal(signals_look(&sigs), VMFORK_SIGNAL_VMGENID);
}

static void mail_first(enum vmfork_signal signal)
{
	struct signals sigs = { .num = 2 };

	sigs.source[0].ops = &fake_a;
	sigs.source[1].ops = &fake_b;
	signals_account(&sigs, signal);
	sigs.source[1].seen = 1;
	assert_int_equal(signals_look(&sigs), VMFORK_SIGNAL_NONE);
	sigs.source[0].seen = 1;
	assert_int_equal(signals_look(&sigs), VMFORK_SIGNAL_NONE);
	sigs.source[0].seen = 1;
	assert_int_equal(signals_look(&sigs), VMFORK_SIGNAL_VMGENID);
	/* too late to belong to it */
	sigs.restore_ns = 1;
	sigs.source[1].seen = 1;
	assert_int_equal(signals_look(&sigs), VMFORK_SIGNAL_VMCLOCK);
}

/* The mail was found before any source fired: both are late then. */
static void test_check_first(void **state)
{
	(void)state;
	mail_first(VMFORK_SIGNAL_CHECK);
	mail_first(VMFORK_SIGNAL_ARMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kmsg),
		cmocka_unit_test(test_kmsg_prefixes),
		cmocka_unit_test(test_vmclock),
		cmocka_unit_test(test_one_restore),
		cmocka_unit_test(test_check_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
