// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "bake/partition.h"
#include "base/cleanup.h"
#include "base/io.h"

#define SIZE (1 << 20)

static uint8_t disk[SIZE];
static const char gpt_magic[8] = { 'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T' };

static void put(size_t at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		disk[at + i] = (uint8_t)(value >> (8 * i));
}

static int list(off_t *offsets, off_t size)
{
	__close int fd = memfd_create("vmfork-unit", MFD_CLOEXEC);

	assert_int_equal(vf_write_all(fd, disk, (size_t)size), 0);
	return partition_list(fd, size, offsets);
}

static void an_mbr(void **state)
{
	off_t offsets[PARTITIONS_MAX];

	(void)state;
	memset(disk, 0, sizeof(disk));
	assert_int_equal(list(offsets, SIZE), 0);
	put(510, 0xaa55, 2);
	assert_int_equal(list(offsets, SIZE), 0);
	for (size_t i = 0; i < 4; i++) {
		put(446 + 16 * i + 4, 0x83, 1);
		put(446 + 16 * i + 8, 64 * (i + 1), 4);
	}
	/* one that is none, one that begins behind the end, one at the table */
	put(446 + 4, 0, 1);
	put(446 + 16 + 8, SIZE / 512, 4);
	put(446 + 32 + 8, 0, 4);
	assert_int_equal(list(offsets, SIZE), 1);
	assert_int_equal(offsets[0], 256 * 512);
	assert_int_equal(list(offsets, 512), 0);
}

static void a_gpt(void **state)
{
	off_t offsets[PARTITIONS_MAX];

	(void)state;
	memset(disk, 0, sizeof(disk));
	put(510, 0xaa55, 2);
	put(446 + 4, 0xee, 1);
	put(446 + 8, 1, 4);
	memcpy(disk + 512, gpt_magic, sizeof(gpt_magic));
	put(512 + 72, 2, 8);
	put(512 + 80, 128, 4);
	put(512 + 84, 128, 4);
	put(1024, 1, 1);
	put(1024 + 32, 100, 8);
	/* the second is not used, the last begins nowhere */
	put(1024 + 127 * 128, 1, 1);
	put(1024 + 127 * 128 + 32, UINT64_MAX / 512 + 2, 8);
	assert_int_equal(list(offsets, SIZE), 1);
	assert_int_equal(offsets[0], 100 * 512);
	put(1024 + 127 * 128 + 32, 101, 8);
	assert_int_equal(list(offsets, SIZE), 2);

	/* more than there may be, and none of them within the image */
	put(512 + 80, UINT32_MAX, 4);
	assert_int_equal(list(offsets, SIZE), 2);
	put(512 + 84, 4096, 4);
	assert_int_equal(list(offsets, SIZE), 1);
	put(512 + 84, 8192, 4);
	assert_int_equal(list(offsets, SIZE), -EBADMSG);
	put(512 + 84, 8, 4);
	assert_int_equal(list(offsets, SIZE), -EBADMSG);
	put(512 + 84, 128, 4);
	put(512 + 72, UINT64_MAX, 8);
	assert_int_equal(list(offsets, SIZE), -EBADMSG);
	put(512 + 72, SIZE / 512 - 1, 8);
	assert_int_equal(list(offsets, SIZE), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_mbr),
		cmocka_unit_test(a_gpt),
	};

	return cmocka_run_group_tests_name("partition", tests, NULL, NULL);
}
