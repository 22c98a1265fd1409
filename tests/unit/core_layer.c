// SPDX-License-Identifier: MIT
/* A layer's index comes back as it was saved, or it is refused; chains merge. */
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

#include "base/cleanup.h"
#include "base/io.h"
#include "core/chain.h"
#include "core/layer.h"
#include "unit/scratch.h"

#define PAGES  64
#define BYTES  (PAGES * EXTENT_PAGE)
#define OFFSET (3 * EXTENT_PAGE) /* of memory in the base's file */

static int setup(void **state)
{
	struct scratch *dir = calloc(1, sizeof(*dir));

	*state = dir;
	return dir ? scratch_init(dir) : -1;
}

static int teardown(void **state)
{
	struct scratch *dir = *state;

	scratch_exit(dir);
	free(dir);
	return 0;
}

static void save(const struct scratch *dir)
{
	struct extents pages = { 0 };
	struct vf_err err;

	extents_add(&pages, 1, 2);
	extents_add(&pages, 60, 4);
	assert_int_equal(layer_index_save(dir->dir_fd, &pages, &err), 0);
	extents_exit(&pages);
}

static int load(const struct scratch *dir, uint64_t bytes)
{
	struct extents pages;
	struct vf_err err;
	int ret = layer_index_load(dir->dir_fd, bytes, &pages, &err);

	if (!ret) {
		assert_int_equal(pages.num, 2);
		assert_int_equal(pages.pages, 6);
		assert_int_equal(pages.runs[1].page, 60);
	}
	extents_exit(&pages);
	return ret;
}

static void index_comes_back(void **state)
{
	save(*state);
	assert_int_equal(load(*state, BYTES), 0);
	/* a page beyond memory */
	assert_int_equal(load(*state, BYTES - EXTENT_PAGE), -EBADMSG);
}

static void index_is_checked(void **state)
{
	struct scratch *dir = *state;
	char text[256];
	ssize_t len;
	int fd;

	save(dir);
	fd = openat(dir->dir_fd, SNAPSHOT_INDEX_FILE, O_RDWR | O_CLOEXEC);
	len = pread(fd, text, sizeof(text), 0);
	assert_true(len > 0 && len < (ssize_t)sizeof(text));
	for (ssize_t at = 0; at < len; at++) {
		char byte = (char)(text[at] ^ 0x10);

		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		/* the version stands behind the magic */
		assert_int_equal(load(dir, BYTES), at >= 8 && at < 12
							   ? -EPROTONOSUPPORT
							   : -EBADMSG);
		assert_int_equal(pwrite(fd, text + at, 1, at), 1);
	}
	for (ssize_t cut = len; cut-- > 0;) {
		assert_int_equal(ftruncate(fd, cut), 0);
		assert_int_equal(load(dir, BYTES), -EBADMSG);
	}
	close(fd);
}

static int memory_file(off_t offset, uint64_t first, uint64_t num, char fill)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	char page[EXTENT_PAGE];

	memset(page, fill, sizeof(page));
	assert_int_equal(ftruncate(fd, offset + BYTES), 0);
	for (uint64_t p = first; p < first + num; p++)
		assert_int_equal(pwrite(fd, page, sizeof(page),
					offset + (off_t)(p * EXTENT_PAGE)),
				 sizeof(page));
	return fd;
}

static void put_layer(struct chain *chain, uint64_t first, uint64_t num,
		      char fill)
{
	struct extents pages = { 0 };
	int fd = memory_file(0, first, num, fill);

	extents_add(&pages, first, num);
	assert_int_equal(chain_push(chain, &pages, &fd), 0);
	assert_int_equal(fd, -1);
}

/* Base b, above it x on 10 to 29, above that zeros on 20 to 39 and y on 25. */
static void make_chain(struct chain *chain)
{
	*chain = (struct chain){ 0 };
	chain->links = calloc(CHAIN_MAX, sizeof(*chain->links));
	assert_non_null(chain->links);
	chain->num = 1;
	chain->links[0].fd = memory_file(OFFSET, 0, PAGES - 1, 'b');
	chain->links[0].snapshot = (struct snapshot){
		.dir_fd = -1,
		.hardware.config.memory_bytes = BYTES,
		.image = { .num_regions = 1,
			   .regions[0] = { 0, OFFSET, BYTES } },
	};
	put_layer(chain, 10, 20, 'x');
	put_layer(chain, 20, 20, '\0');
	put_layer(chain, 25, 1, 'y');
	assert_int_equal(chain->layer_pages, 41);
}

static char wanted(uint64_t page)
{
	if (page == 25)
		return 'y';
	if (page >= 20 && page < 40)
		return '\0';
	if (page >= 10 && page < 20)
		return 'x';
	return page == PAGES - 1 ? '\0' : 'b';
}

static void check_pages(const uint8_t *buf, uint64_t first, uint64_t num)
{
	for (uint64_t i = 0; i < num * EXTENT_PAGE; i++)
		assert_int_equal(buf[i], wanted(first + i / EXTENT_PAGE));
}

static void chain_is_read(void **state)
{
	__free uint8_t *buf = malloc(BYTES);
	struct chain chain;

	(void)state;
	make_chain(&chain);
	for (uint64_t first = 0; first < PAGES; first += 7)
		for (uint64_t num = 1; first + num <= PAGES; num += 5) {
			memset(buf, 0xaa, BYTES);
			assert_int_equal(chain_read(&chain, first, buf, num),
					 0);
			check_pages(buf, first, num);
		}
	assert_true(chain_read(&chain, PAGES, buf, 1) < 0);
	chain_close(&chain);
}

static void chain_is_merged(void **state)
{
	const struct scratch *dir = *state;
	__free uint8_t *buf = malloc(BYTES);
	__close int fd = -1;
	struct chain chain;
	struct vf_err err;
	uint64_t written;

	make_chain(&chain);
	assert_int_equal(chain_merge(&chain, dir->dir_fd, -1, &written, &err),
			 0);
	fd = openat(dir->dir_fd, VMM_MEMORY_FILE, O_RDONLY | O_CLOEXEC);
	assert_int_equal(vf_pread_all(fd, buf, BYTES, 0), 0);
	check_pages(buf, 0, PAGES);
	/* zeros are holes */
	assert_int_equal(lseek(fd, 30 * EXTENT_PAGE, SEEK_DATA),
			 40 * EXTENT_PAGE);
	/* what is there is not written over */
	assert_int_equal(chain_merge(&chain, dir->dir_fd, -1, &written, &err),
			 -EEXIST);
	chain_close(&chain);
}

/* A fork's memory is this process's own, which maps the base as an engine does. */
static uint8_t *map_base(const struct chain *chain)
{
	uint8_t *mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			    chain->links[chain->num - 1].fd, OFFSET);

	assert_ptr_not_equal(mem, MAP_FAILED);
	return mem;
}

static void chain_is_applied(void **state)
{
	struct vmm vmm = { .proc.pid = getpid(), .cancel_fd = -1 };
	struct chain chain;
	struct vf_err err;
	uint8_t *mem;

	(void)state;
	make_chain(&chain);
	mem = map_base(&chain);
	chain_warm(&chain);
	assert_int_equal(chain_apply(&chain, &vmm, &err), 0);
	check_pages(mem, 0, PAGES);
	munmap(mem, BYTES);
	chain_close(&chain);
}

/* More pages and more runs than one call writes. */
static void large_chain_is_applied(void **state)
{
	enum { RUNS = VMM_PATCHES_MAX + 10, RUN = 4200, MANY = 2 * RUNS + RUN };
	const size_t bytes = (size_t)MANY * EXTENT_PAGE;
	struct vmm vmm = { .proc.pid = getpid(), .cancel_fd = -1 };
	struct extents pages = { 0 };
	struct chain chain;
	struct vf_err err;
	uint8_t *mem;
	int fd;

	(void)state;
	make_chain(&chain);
	chain.links[3].snapshot.hardware.config.memory_bytes = bytes;
	fd = memfd_create("layer", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	assert_int_equal(ftruncate(chain.links[3].fd, (off_t)(OFFSET + bytes)),
			 0);
	for (uint64_t p = 64; p < MANY; p++) {
		bool has = p >= 2 * RUNS || p % 2;

		if (!has)
			continue;
		assert_int_equal(
			pwrite(fd, &p, sizeof(p), (off_t)(p * EXTENT_PAGE)),
			sizeof(p));
		assert_int_equal(extents_add(&pages, p, 1), 0);
	}
	assert_int_equal(chain_push(&chain, &pages, &fd), 0);
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		   chain.links[4].fd, OFFSET);
	assert_int_equal(chain_apply(&chain, &vmm, &err), 0);
	check_pages(mem, 0, PAGES);
	for (uint64_t p = 64; p < MANY; p++)
		assert_int_equal(*(uint64_t *)(mem + p * EXTENT_PAGE),
				 p >= 2 * RUNS || p % 2 ? p : 0);
	munmap(mem, bytes);
	chain_close(&chain);
}

/* A layer whose file lost its end since it was opened. */
static void short_layer_is_noticed(void **state)
{
	struct vmm vmm = { .proc.pid = getpid(), .cancel_fd = -1 };
	struct chain chain;
	struct vf_err err;
	uint8_t *mem;

	(void)state;
	make_chain(&chain);
	mem = map_base(&chain);
	assert_int_equal(ftruncate(chain.links[2].fd, 15 * EXTENT_PAGE), 0);
	chain_warm(&chain);
	assert_int_equal(chain_apply(&chain, &vmm, &err), -EFAULT);
	munmap(mem, BYTES);
	chain_close(&chain);
}

static void merge_is_given_up(void **state)
{
	const struct scratch *dir = *state;
	struct chain chain;
	struct vf_err err;
	uint64_t written;
	int fds[2];

	make_chain(&chain);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[1]);
	assert_int_equal(
		chain_merge(&chain, dir->dir_fd, fds[0], &written, &err),
		-ECANCELED);
	assert_int_equal(faccessat(dir->dir_fd, VMM_MEMORY_FILE, F_OK, 0), -1);
	close(fds[0]);
	chain_close(&chain);
}

#define scratch_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(index_comes_back),
		scratch_test(index_is_checked),
		cmocka_unit_test(chain_is_read),
		scratch_test(chain_is_merged),
		scratch_test(merge_is_given_up),
		cmocka_unit_test(chain_is_applied),
		cmocka_unit_test(large_chain_is_applied),
		cmocka_unit_test(short_layer_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
