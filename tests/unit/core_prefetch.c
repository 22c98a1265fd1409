// SPDX-License-Identifier: MIT
/* What is read ahead of an image: which pages, and what is said of it. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cache.h"
#include "core/prefetch.h"
#include "unit/scratch.h"

#define PAGES 1024
#define BYTES ((uint64_t)PAGES * EXTENT_PAGE)
#define HALF  (BYTES / 2)
#define HIGH  (1ULL << 32) /* where the second half of memory is */
#define HEAD  (16ULL * EXTENT_PAGE)

struct fixture {
	struct scratch dir;
	struct snapshot snapshot;
	struct chain_link link;
	struct chain chain;
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
		.image = { .num_regions = 2,
			   .regions = { { 0, HEAD, HALF },
					{ HIGH, HEAD + HALF, HALF } } },
	};
	f->link.snapshot = f->snapshot;
	f->link.fd = openat(f->dir.dir_fd, "memory",
			    O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	f->chain = (struct chain){ .links = &f->link, .num = 1 };
	return f->link.fd < 0 ? -1 : ftruncate(f->link.fd, HEAD + BYTES);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->link.fd);
	scratch_exit(&f->dir);
	free(f);
	return 0;
}

static void check_around(struct fixture *f, uint64_t gpa, uint64_t bytes,
			 uint64_t page, uint64_t num)
{
	struct extents pages = { 0 };

	f->snapshot.mailbox_gpa = gpa;
	assert_int_equal(prefetch_around(&f->snapshot, bytes, &pages), 0);
	assert_int_equal(pages.num, 1);
	assert_int_equal(pages.runs[0].page, page);
	assert_int_equal(pages.runs[0].num, num);
	extents_exit(&pages);
}

static void around_is_inside_of_memory(void **state)
{
	struct fixture *f = *state;
	const uint64_t page = EXTENT_PAGE;

	check_around(f, 100 * page, 20 * page, 90, 20);
	check_around(f, 100 * page, 1, 100, 1);
	check_around(f, 100 * page, page + 1, 99, 2);
	check_around(f, 0, 20 * page, 0, 20);
	check_around(f, 5 * page, 20 * page, 0, 20);
	/* the second half begins where the first one ends */
	check_around(f, HIGH, 20 * page, PAGES / 2 - 10, 20);
	check_around(f, HIGH + 100 * page, 20 * page, PAGES / 2 + 90, 20);
	check_around(f, HIGH + HALF - page, 20 * page, PAGES - 20, 20);
	check_around(f, 100 * page, BYTES, 0, PAGES);
	check_around(f, 100 * page, UINT64_MAX, 0, PAGES);
	/* where there is no memory, there is no mailbox */
	check_around(f, HALF, 20 * page, 0, 20);
}

static struct prefetch_note run(struct fixture *f,
				const struct prefetch_wish *wish, bool to_end)
{
	const struct vf_state state = { 0 };
	struct prefetch_note note;
	struct prefetch p;
	struct vf_err err;

	assert_int_equal(
		prefetch_start(&p, &state, &f->snapshot, &f->chain, wish, &err),
		0);
	/* what it does is done before it is told to end */
	if (to_end && p.has_thread) {
		pthread_join(p.thread, NULL);
		p.has_thread = false;
	}
	prefetch_stop(&p, &note);
	prefetch_end(&p);
	prefetch_end(&p);
	return note;
}

static void save(struct fixture *f, enum hot_list list, uint64_t num)
{
	struct extents pages = { 0 };
	struct vf_err err;

	assert_int_equal(extents_add(&pages, 7, num), 0);
	assert_int_equal(hot_save(&f->snapshot, list, &pages, true, &err), 0);
	extents_exit(&pages);
}

static void spoil(struct fixture *f, const char *name, off_t at)
{
	int fd = openat(f->dir.dir_fd, name, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "x", 1, at), 1);
	close(fd);
}

static bool has_file(struct fixture *f, const char *name)
{
	return faccessat(f->dir.dir_fd, name, F_OK, 0) == 0;
}

static void skip_in_memory(const struct fixture *f)
{
	if (cache_is_volatile(f->dir.dir_fd))
		skip();
}

static void check_note(const struct prefetch_note *note,
		       enum prefetch_outcome outcome, uint64_t bytes,
		       uint64_t rest_bytes)
{
	assert_int_equal(note->outcome, outcome);
	assert_int_equal(note->bytes, bytes);
	assert_int_equal(note->rest_bytes, rest_bytes);
}

static void what_is_missing_is_asked_for(void **state)
{
	const struct prefetch_wish list = { PREFETCH_LIST, 0 };
	const struct prefetch_wish around = { PREFETCH_AROUND, BYTES };
	const uint64_t num = 300; /* more than one call takes */
	struct fixture *f = *state;
	struct prefetch_note note;

	skip_in_memory(f);
	save(f, HOT_MARK, num);
	assert_int_equal(cache_drop(f->link.fd), 0);
	note = run(f, &list, true);
	check_note(&note, PREFETCHED_LIST, num * EXTENT_PAGE, 0);
	/* the kernel has it by now, or will, and knows these pages already */
	note = run(f, &list, true);
	check_note(&note, PREFETCHED_CACHED, 0, 0);
	note = run(f, &around, true);
	check_note(&note, PREFETCHED_AROUND, BYTES - num * EXTENT_PAGE, 0);
}

static void what_is_not_done_is_told(void **state)
{
	const struct prefetch_wish wish = { PREFETCH_LIST, 0 };
	struct fixture *f = *state;
	struct prefetch_note note;
	int fd = f->link.fd;

	skip_in_memory(f);
	save(f, HOT_ACKED, 10);
	/* no page cache can be asked of it */
	f->link.fd = -1;
	note = run(f, &wish, true);
	check_note(&note, PREFETCHED_CUT, 0, 10 * EXTENT_PAGE);
	f->link.fd = fd;
	/* nor is a chain there that it could open */
	f->chain.num = 0;
	note = run(f, &wish, true);
	check_note(&note, PREFETCHED_CUT, 0, 10 * EXTENT_PAGE);
	f->chain.num = 1;
	/* wherever it is cut off, all of it is accounted for */
	assert_int_equal(cache_drop(fd), 0);
	note = run(f, &wish, false);
	assert_int_equal(note.bytes + note.rest_bytes, 10 * EXTENT_PAGE);
}

static void empty_lists_are_lists(void **state)
{
	const struct prefetch_wish wish = { PREFETCH_LIST, 0 };
	struct fixture *f = *state;
	struct prefetch_note note;

	skip_in_memory(f);
	save(f, HOT_ACKED, 0);
	note = run(f, &wish, true);
	check_note(&note, PREFETCHED_CACHED, 0, 0);
}

/* Only what nobody asked for is made anew. */
static void whose_lists_are_removed(void **state)
{
	const struct prefetch_wish wish = { PREFETCH_AUTO, 0 };
	struct fixture *f = *state;
	struct prefetch_note note;

	skip_in_memory(f);
	save(f, HOT_ACKED, 3);
	save(f, HOT_MARK, 3);
	spoil(f, "hot.acked", 20);
	spoil(f, "hot.mark", 20);
	note = run(f, &wish, true);
	check_note(&note, PREFETCHED_NONE, 0, 0);
	assert_false(has_file(f, "hot.acked"));
	assert_true(has_file(f, "hot.mark"));
	save(f, HOT_ACKED, 3);
	spoil(f, "hot.acked", 8); /* its version */
	note = run(f, &wish, true);
	check_note(&note, PREFETCHED_NONE, 0, 0);
	assert_true(has_file(f, "hot.acked"));
}

static void nothing_is_wanted(void **state)
{
	const struct prefetch_wish off = { PREFETCH_OFF, 0 };
	const struct prefetch_wish list = { PREFETCH_LIST, 0 };
	const struct vf_state none = { 0 };
	struct fixture *f = *state;
	struct prefetch_note note = run(f, &off, true);
	struct prefetch p;
	struct vf_err err;

	check_note(&note, PREFETCHED_NONE, 0, 0);
	assert_int_equal(
		prefetch_start(&p, &none, &f->snapshot, &f->chain, &list, &err),
		cache_is_volatile(f->dir.dir_fd) ? -ENOTSUP : -ENOENT);
	prefetch_end(&p);
}

#define prefetch_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		prefetch_test(around_is_inside_of_memory),
		prefetch_test(what_is_missing_is_asked_for),
		prefetch_test(what_is_not_done_is_told),
		prefetch_test(empty_lists_are_lists),
		prefetch_test(whose_lists_are_removed),
		prefetch_test(nothing_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
