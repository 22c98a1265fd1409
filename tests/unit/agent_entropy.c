// SPDX-License-Identifier: MIT
/* Bytes for the kernel's random numbers: what became of them is told. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "entropy.h"

static uint8_t bytes[VMFORK_ENTROPY_LEN];

static void assert_erased(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0);
}

static void test_reseed(void **state)
{
	struct vmfork_status status = { 0 };
	int fd = entropy_open();

	(void)state;
	assert_true(fd >= 0);
	memset(bytes, 7, sizeof(bytes));
	entropy_reseed(fd, bytes, &status);
	assert_erased();
	if (status.reseed_error == EPERM) {
		assert_int_equal(status.reseed, VMFORK_RESEED_FAILED);
		close(fd);
		skip();
	}
	assert_int_equal(status.reseed, VMFORK_RESEED_DONE);
	assert_int_equal(status.reseed_error, 0);
	assert_true(status.reseed_ns);
	entropy_reseed(fd, NULL, &status);
	assert_int_equal(status.reseed, VMFORK_RESEED_ALONE);
	close(fd);
}

static void test_no_device(void **state)
{
	struct vmfork_status status = { 0 };

	(void)state;
	memset(bytes, 7, sizeof(bytes));
	entropy_reseed(-EACCES, bytes, &status);
	assert_erased();
	assert_int_equal(status.reseed, VMFORK_RESEED_FAILED);
	assert_int_equal(status.reseed_error, EACCES);
	assert_true(!status.reseed_ns);
}

/* Not credited is not done, whatever comes after. */
static void test_refused(void **state)
{
	struct vmfork_status status = { 0 };
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	memset(bytes, 7, sizeof(bytes));
	entropy_reseed(fds[0], bytes, &status);
	assert_erased();
	assert_int_equal(status.reseed, VMFORK_RESEED_FAILED);
	assert_int_equal(status.reseed_error, ENOTTY);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reseed),
		cmocka_unit_test(test_no_device),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
