// SPDX-License-Identifier: MIT
/* What the page cache has of a file, and that it can be made to forget it. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cache.h"
#include "base/cleanup.h"
#include "base/io.h"

#define PAGE  4096
#define PAGES 20

static void fill(int fd, unsigned int from, unsigned int num)
{
	char page[PAGE];

	memset(page, 'x', sizeof(page));
	for (unsigned int i = from; i < from + num; i++)
		assert_int_equal(vf_pwrite_all(fd, page, PAGE, (off_t)i * PAGE),
				 0);
}

static void memory_is_never_dropped(void **state)
{
	__close int fd = memfd_create("memory", MFD_CLOEXEC);

	(void)state;
	assert_true(cache_is_volatile(fd));
	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	assert_int_equal(cache_missing(fd, 0, PAGES * PAGE), PAGES);
	fill(fd, 5, 10);
	assert_int_equal(cache_missing(fd, 0, PAGES * PAGE), PAGES - 10);
	assert_int_equal(cache_missing(fd, 5 * PAGE, 10 * PAGE), 0);
	assert_int_equal(cache_missing(fd, 4 * PAGE, 2 * PAGE), 1);
	assert_int_equal(cache_missing(fd, 0, 0), 0);
	assert_int_equal(cache_drop(fd), 10);
	assert_int_equal(cache_missing(-1, 0, PAGE), -EBADF);
}

/* A file of a disk's, without a name; this directory is the tree's. */
static void files_are_dropped(void **state)
{
	__close int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	volatile char *map;
	char byte;

	(void)state;
	if (fd < 0 || cache_is_volatile(fd))
		skip();
	fill(fd, 0, PAGES);
	assert_int_equal(pwrite(fd, "end", 3, PAGES * PAGE), 3);
	assert_int_equal(cache_missing(fd, 0, PAGES * PAGE + 3), 0);
	assert_int_equal(cache_drop(fd), 0);
	assert_int_equal(cache_missing(fd, 0, PAGES * PAGE + 3), PAGES + 1);
	/* what somebody maps stays */
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	byte = map[0];
	assert_int_equal(byte, 'x');
	assert_true(cache_drop(fd) > 0);
	munmap((void *)map, PAGE);
	assert_int_equal(cache_drop(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_never_dropped),
		cmocka_unit_test(files_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
