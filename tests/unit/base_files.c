// SPDX-License-Identifier: MIT
/* Limits of descriptors: raised, given back, and low numbers kept free. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

#include "base/files.h"

#define ENOUGH (4 * FD_SETSIZE)

static rlim_t soft_limit(void)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit.rlim_cur;
}

static void set_soft_limit(rlim_t num)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < ENOUGH)
		skip();
	limit.rlim_cur = num;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int open_at(int least)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, least);

	assert_true(fd >= least);
	return fd;
}

static void test_raise(void **state)
{
	(void)state;
	set_soft_limit(256);
	files_raise();
	assert_true(soft_limit() >= ENOUGH);
	files_usual();
	assert_int_equal(soft_limit(), FD_SETSIZE);
	/* less is not made more */
	set_soft_limit(256);
	files_usual();
	assert_int_equal(soft_limit(), 256);
}

static void test_left(void **state)
{
	unsigned int left;
	int fd;

	(void)state;
	set_soft_limit(256);
	left = files_left();
	assert_in_range(left, 1, 255);
	fd = open_at(0);
	assert_int_equal(files_left(), left - 1);
	close(fd);
	set_soft_limit((rlim_t)fd);
	assert_int_equal(files_left(), 0);
	set_soft_limit(ENOUGH);
}

static void test_lift(void **state)
{
	int fd = open_at(3), was = fd, none = -1;

	(void)state;
	set_soft_limit(ENOUGH);
	/* one of the first stays, */
	files_lift(&fd);
	assert_int_equal(fd, was);
	close(fd);
	files_lift(&none);
	assert_int_equal(none, -1);
	/* a later one leaves room, and goes with its program still */
	was = fd = open_at(FD_SETSIZE - 1);
	files_lift(&fd);
	assert_true(fd >= FD_SETSIZE);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(was, F_GETFD), -1);
	close(fd);
	/* where there is none above, it stays */
	set_soft_limit(FD_SETSIZE);
	fd = open_at(FD_SETSIZE - 1);
	files_lift(&fd);
	assert_int_equal(fd, FD_SETSIZE - 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raise),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_lift),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
