// SPDX-License-Identifier: MIT
/* Lists of hot pages: bounded, kept, and ignored where they do not verify. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "core/hot.h"
#include "unit/scratch.h"

#define PAGES 1024
#define BYTES ((uint64_t)PAGES * EXTENT_PAGE)
#define MANY  (64ULL << 20) /* pages: more than any list may have */

struct fixture {
	struct scratch dir;
	struct snapshot snapshot;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f || scratch_init(&f->dir) < 0)
		return -1;
	f->snapshot = (struct snapshot){
		.name = "ready",
		.dir_fd = f->dir.dir_fd,
		.hardware.config.memory_bytes = BYTES,
		.image = { .num_regions = 1, .regions[0] = { 0, 0, BYTES } },
	};
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_exit(&f->dir);
	free(f);
	return 0;
}

static void save(const struct fixture *f, enum hot_list list, uint64_t page,
		 bool replace)
{
	struct extents pages = { 0 };
	struct vf_err err;

	extents_add(&pages, page, 3);
	extents_add(&pages, PAGES - 1, 1);
	assert_int_equal(hot_save(&f->snapshot, list, &pages, replace, &err),
			 0);
	extents_exit(&pages);
}

/* Return: the first page, or -errno */
static int64_t load(const struct fixture *f, enum hot_list list)
{
	struct extents pages;
	struct vf_err err;
	int64_t ret = hot_load(&f->snapshot, list, &pages, &err);

	if (!ret) {
		assert_int_equal(pages.num, 2);
		assert_int_equal(pages.pages, 4);
		ret = (int64_t)pages.runs[0].page;
	}
	extents_exit(&pages);
	return ret;
}

static void lists_come_back(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(load(f, HOT_ACKED), -ENOENT);
	save(f, HOT_ACKED, 5, false);
	save(f, HOT_MARK, 6, false);
	assert_int_equal(load(f, HOT_ACKED), 5);
	assert_int_equal(load(f, HOT_MARK), 6);
	/* the first one stays, unless another is to be in its place */
	save(f, HOT_ACKED, 7, false);
	assert_int_equal(load(f, HOT_ACKED), 5);
	save(f, HOT_ACKED, 8, true);
	assert_int_equal(load(f, HOT_ACKED), 8);
	assert_int_equal(hot_forget(&f->snapshot, HOT_ACKED), 0);
	assert_int_equal(hot_forget(&f->snapshot, HOT_ACKED), 0);
	assert_int_equal(load(f, HOT_ACKED), -ENOENT);
	assert_int_equal(load(f, HOT_MARK), 6);
}

/* Any bit, any length, and a memory that has become smaller. */
static void wrong_lists_are_refused(void **state)
{
	struct fixture *f = *state;
	char text[256];
	ssize_t len;
	int fd;

	save(f, HOT_ACKED, 5, false);
	fd = openat(f->dir.dir_fd, "hot.acked", O_RDWR | O_CLOEXEC);
	len = pread(fd, text, sizeof(text), 0);
	assert_true(len > 0 && len < (ssize_t)sizeof(text));
	for (ssize_t bit = 0; bit < 8 * len; bit++) {
		char byte = (char)(text[bit / 8] ^ 1 << bit % 8);

		assert_int_equal(pwrite(fd, &byte, 1, bit / 8), 1);
		/* the version stands behind the magic */
		assert_int_equal(load(f, HOT_ACKED),
				 bit / 32 == 2 ? -EPROTONOSUPPORT : -EBADMSG);
		assert_int_equal(pwrite(fd, text + bit / 8, 1, bit / 8), 1);
	}
	assert_int_equal(load(f, HOT_ACKED), 5);
	f->snapshot.hardware.config.memory_bytes -= EXTENT_PAGE;
	assert_int_equal(load(f, HOT_ACKED), -EBADMSG);
	f->snapshot.hardware.config.memory_bytes += EXTENT_PAGE;
	for (ssize_t cut = len; cut-- > 0;) {
		assert_int_equal(ftruncate(fd, cut), 0);
		assert_int_equal(load(f, HOT_ACKED), -EBADMSG);
	}
	/* far too long */
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	assert_int_equal(load(f, HOT_ACKED), -EBADMSG);
	close(fd);
}

static void close_runs_are_joined(void **state)
{
	struct extents pages = { 0 };

	(void)state;
	extents_add(&pages, 10, 4);
	extents_add(&pages, 22, 4); /* 8 between them */
	extents_add(&pages, 35, 9); /* 9 */
	hot_bound(&pages, HOT_ACKED);
	assert_int_equal(pages.num, 2);
	assert_int_equal(pages.pages, 25);
	assert_int_equal(pages.runs[0].num, 16);
	assert_int_equal(pages.runs[1].page, 35);
	extents_exit(&pages);
	hot_bound(&pages, HOT_ACKED);
	assert_int_equal(pages.num, 0);
}

static void runs_are_used_by_half(void **state)
{
	struct extents pages = { 0 };

	(void)state;
	extents_add(&pages, 10, 2);
	extents_add(&pages, 14, 1); /* 2 between them, 3 are used */
	extents_add(&pages, 17, 1); /* 4 of 8 */
	extents_add(&pages, 19, 1); /* 5 of 10 */
	extents_add(&pages, 22, 1); /* 6 of 13 would be */
	hot_bound(&pages, HOT_ACKED);
	assert_int_equal(pages.num, 2);
	assert_int_equal(pages.pages, 11);
	assert_int_equal(pages.runs[0].num, 10);
	assert_int_equal(pages.runs[1].page, 22);
	extents_exit(&pages);
}

static void check_bounds(const struct extents *pages, size_t max_runs,
			 uint64_t max_pages)
{
	uint64_t sum = 0, end = 0;

	assert_true(pages->num <= max_runs);
	for (size_t i = 0; i < pages->num; i++) {
		assert_true(!i || pages->runs[i].page > end);
		end = pages->runs[i].page + pages->runs[i].num;
		sum += pages->runs[i].num;
	}
	assert_int_equal(sum, pages->pages);
	assert_true(sum <= max_pages);
}

/* A guest that touches all it has, or each tenth page of it. */
static void greed_is_bounded(void **state)
{
	struct extents pages = { 0 };

	(void)state;
	extents_add(&pages, 100, MANY);
	hot_bound(&pages, HOT_ACKED);
	check_bounds(&pages, 1, 16384);
	assert_int_equal(pages.runs[0].page, 100);
	extents_exit(&pages);
	for (uint64_t page = 0; page < MANY / 64; page += 10)
		extents_add(&pages, page, 1);
	hot_bound(&pages, HOT_MARK);
	check_bounds(&pages, 16384, 65536);
	assert_int_equal(pages.pages, 16384);
	extents_exit(&pages);
}

/* A page here and there does not put out what is used as a whole. */
static void sparse_pages_yield(void **state)
{
	struct extents pages = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 200000; i++)
		extents_add(&pages, i * 9, 1);
	extents_add(&pages, 10 * 200000, 1000);
	hot_bound(&pages, HOT_ACKED);
	check_bounds(&pages, 4096, 16384);
	assert_int_equal(pages.runs[pages.num - 1].page, 10 * 200000);
	assert_int_equal(pages.runs[pages.num - 1].num, 1000);
	extents_exit(&pages);
}

/* Of too many, those are kept of which one read brings in most. */
static void the_longest_are_kept(void **state)
{
	struct extents pages = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 5000; i++)
		extents_add(&pages, i * 100, i % 10 == 3 ? 20 : 1);
	hot_bound(&pages, HOT_ACKED);
	check_bounds(&pages, 4096, 16384);
	assert_int_equal(pages.num, 4096);
	assert_int_equal(pages.pages, 500 * 20 + 4096 - 500);
	extents_exit(&pages);
}

static int memory_file(uint64_t pages)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)(pages * EXTENT_PAGE)), 0);
	return fd;
}

/* This process maps the base as an engine does; a layer has pages 96 to 127. */
static void layers_are_left_out(void **state)
{
	struct fixture *f = *state;
	struct vmm vmm = { .proc.pid = getpid(), .cancel_fd = -1 };
	struct extents layer = { 0 }, pages;
	struct chain chain = { 0 };
	struct vf_err err;
	uint8_t *mem;
	int fd = memory_file(PAGES);

	chain.links = calloc(CHAIN_MAX, sizeof(*chain.links));
	assert_non_null(chain.links);
	chain.num = 1;
	chain.links[0].fd = memory_file(PAGES);
	chain.links[0].snapshot = f->snapshot;
	chain.links[0].snapshot.dir_fd = -1;
	extents_add(&layer, 96, 32);
	assert_int_equal(chain_push(&chain, &layer, &fd), 0);
	mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		   chain.links[1].fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	memset(mem + 90 * EXTENT_PAGE, 1, 60 * EXTENT_PAGE);
	assert_int_equal(hot_scan(&vmm, &chain, false, &pages, &err), 0);
	assert_int_equal(pages.num, 2);
	assert_int_equal(pages.runs[0].page, 90);
	assert_int_equal(pages.runs[0].num, 6);
	assert_int_equal(pages.runs[1].page, 128);
	assert_int_equal(pages.runs[1].num, 22);
	extents_exit(&pages);
	munmap(mem, BYTES);
	chain_close(&chain);
}

#define list_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		list_test(lists_come_back),
		list_test(wrong_lists_are_refused),
		cmocka_unit_test(close_runs_are_joined),
		cmocka_unit_test(runs_are_used_by_half),
		cmocka_unit_test(greed_is_bounded),
		cmocka_unit_test(sparse_pages_yield),
		cmocka_unit_test(the_longest_are_kept),
		list_test(layers_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
