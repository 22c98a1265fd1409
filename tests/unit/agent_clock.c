// SPDX-License-Identifier: MIT
/* What time it is, by a mail; whose PTP clock is believed. Nothing is stepped. */
#include "agent_root.h"

#include <errno.h>

#include "clock.h"

#define S 1000000000ULL

static void test_mail(void **state)
{
	struct vmfork_clock clock = { .realtime_ns = 1000 * S,
				      .monotonic_ns = 50 * S };
	struct clock_pair pair = clock_pair_of_mail(&clock, 51 * S);

	(void)state;
	assert_true(pair.realtime_ns == 1000 * S);
	assert_true(pair.monotonic_ns == 50 * S);
	/* one that is still to come */
	clock.monotonic_ns = 52 * S;
	pair = clock_pair_of_mail(&clock, 51 * S);
	assert_true(pair.monotonic_ns == 51 * S);
	clock.monotonic_ns = UINT64_MAX;
	pair = clock_pair_of_mail(&clock, 51 * S);
	assert_true(pair.monotonic_ns == 51 * S);
	/* and none */
	clock.monotonic_ns = 0;
	pair = clock_pair_of_mail(&clock, 51 * S);
	assert_true(pair.monotonic_ns == 51 * S);
}

static void test_skew(void **state)
{
	const struct clock_pair right = { 1000 * S, 50 * S };
	struct clock_pair is = { 1003 * S, 53 * S };

	(void)state;
	assert_int_equal(clock_skew(&is, &right), 0);
	is.realtime_ns = 1003 * S - 75 * 3600 * S;
	assert_true(clock_skew(&is, &right) == -(int64_t)(75 * 3600 * S));
	is.realtime_ns = 1003 * S + 7;
	assert_int_equal(clock_skew(&is, &right), 7);
	/* before the moment that is right, too */
	is = (struct clock_pair){ 990 * S, 40 * S };
	assert_int_equal(clock_skew(&is, &right), 0);
}

static void ptp_make(const char *name)
{
	root_put("sys/class/ptp/ptp0/clock_name", name, 0444);
	root_put("dev/ptp0", "", 0600);
}

static void assert_ptp(bool is_opened)
{
	int fd = clock_ptp_open(agent.root_fd);

	assert_int_equal(fd >= 0, is_opened);
	if (fd >= 0)
		close(fd);
	else
		assert_int_equal(fd, -ENODEV);
}

static void test_ptp(void **state)
{
	static const char *const dirs[] = { "dev", "sys", "sys/class",
					    "sys/class/ptp",
					    "sys/class/ptp/ptp0" };

	(void)state;
	assert_ptp(false);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		assert_int_equal(mkdirat(agent.root_fd, dirs[i], 0755), 0);
	ptp_make("igb\n"); /* a NIC's: it tells another time */
	assert_ptp(false);
	ptp_make("");
	assert_ptp(false);
	ptp_make("KVM virtual PTP\n");
	assert_ptp(true);
	ptp_make("vmclock0\n");
	assert_ptp(true);
	assert_int_equal(unlinkat(agent.root_fd, "dev/ptp0", 0), 0);
	assert_ptp(false);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_skew),
		TEST(test_ptp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
