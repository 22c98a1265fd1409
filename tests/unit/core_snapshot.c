// SPDX-License-Identifier: MIT
// time: 60
/* Which snapshots there are, and what becomes of them beside those at work. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/manifest.h"
#include "core/stage.h"
#include "unit/scratch.h"

#define MEMORY_BYTES (1ULL << 20)

struct fixture {
	struct scratch dir;
	struct vf_state state;
	struct vf_err err;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	*state = fix;
	if (!fix || scratch_init(&fix->dir) < 0)
		return -1;
	return state_open(&fix->state, fix->dir.path, &fix->err);
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	state_close(&fix->state);
	scratch_exit(&fix->dir);
	free(fix);
	return 0;
}

/* A whole one, of which a byte is the id. */
static struct snapshot example(uint8_t id)
{
	return (struct snapshot){
		.id = { id },
		.source = "src",
		.hardware = { .engine = &qemu_ops,
			      .config = { .machine = "pc-q35-10.0",
					  .accel = VMM_ACCEL_TCG,
					  .cpus = 1,
					  .memory_bytes = MEMORY_BYTES } },
		.image = { .machine = "pc-q35-10.0",
			   .num_regions = 1,
			   .regions = { { 0, 0, MEMORY_BYTES } } },
		.num_nics = 1,
		.nics = { { "default", { 2, 0, 0, 1, 2, 3 }, 0 } },
	};
}

static void file_make(struct fixture *fix, int dir_fd, const char *name)
{
	assert_int_equal(vf_write_file(dir_fd, name, name, strlen(name), false,
				       &fix->err),
			 0);
}

/* @parent: that it builds on, of which the id is one less; or NULL */
static void snapshot_fill(struct fixture *fix, int dir_fd, uint8_t id,
			  const char *parent)
{
	struct snapshot s = example(id);

	s.dir_fd = dir_fd;
	if (parent) {
		snprintf(s.parent, sizeof(s.parent), "%s", parent);
		s.parent_id[0] = id - 1;
		file_make(fix, dir_fd, SNAPSHOT_LAYER_FILE);
		file_make(fix, dir_fd, SNAPSHOT_INDEX_FILE);
	} else {
		file_make(fix, dir_fd, VMM_MEMORY_FILE);
	}
	file_make(fix, dir_fd, VMM_STATE_FILE);
	file_make(fix, dir_fd, VM_KERNEL_FILE);
	assert_int_equal(manifest_save(&s, &fix->err), 0);
}

static void snapshot_make(struct fixture *fix, const char *name, uint8_t id,
			  const char *parent)
{
	__close int fd = stage_open(&fix->state, name, &fix->err);

	assert_true(fd >= 0);
	snapshot_fill(fix, fd, id, parent);
	assert_int_equal(stage_publish(&fix->state, fd, name, &fix->err), 0);
}

/* The statuses of all, in the order of the list, with a space behind each. */
static void check_statuses(struct fixture *fix, const char *wanted)
{
	__json json_t *list = NULL;
	char text[256] = "";
	json_t *item;
	size_t i;

	assert_int_equal(snapshot_list(&fix->state, &list, &fix->err), 0);
	json_array_foreach(list, i, item) {
		const char *name, *status;

		assert_int_equal(json_unpack(item, "{s:s,s:s}", "name", &name,
					     "status", &status),
				 0);
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s:%s ", name, status);
	}
	assert_string_equal(text, wanted);
}

static int names_remove(struct fixture *fix, const char *a, const char *b,
			enum snapshot_orphans orphans)
{
	__json json_t *names = b ? json_pack("[s,s]", a, b)
				 : json_pack("[s]", a);

	return snapshot_remove(&fix->state, names, orphans, &fix->err);
}

static void writing_is_awaited(void **state)
{
	struct fixture *fix = *state;
	__close int fd = stage_open(&fix->state, "x", &fix->err);

	assert_true(fd >= 0);
	check_statuses(fix, "x:writing ");
	assert_int_equal(snapshot_await(&fix->state, "x", 0, -1, &fix->err),
			 -EBUSY);
	assert_int_equal(snapshot_await(&fix->state, "x", vf_now_us() + 1000,
					-1, &fix->err),
			 -ETIMEDOUT);
	assert_int_equal(names_remove(fix, "x", NULL, SNAPSHOT_ORPHANS_FORCE),
			 -EBUSY);
	stage_discard(&fix->state, "x");
	assert_int_equal(snapshot_await(&fix->state, "x", 0, -1, &fix->err), 0);
}

/* As while it is flattened. */
static void replaced_is_ready(void **state)
{
	struct fixture *fix = *state;
	__close int fd = -1;

	snapshot_make(fix, "x", 1, NULL);
	fd = stage_reopen(&fix->state, "x", &fix->err);
	assert_true(fd >= 0);
	check_statuses(fix, "x:ready ");
	assert_int_equal(snapshot_await(&fix->state, "x", 0, -1, &fix->err), 0);
}

static bool has_memory(int dir_fd)
{
	return faccessat(dir_fd, VMM_MEMORY_FILE, F_OK, 0) == 0;
}

/* Forks open the files of a snapshot one after the other. */
static void open_one_is_left(void **state)
{
	struct fixture *fix = *state;
	__json json_t *removed = json_array();
	char hidden[NAME_MAX + 1];
	struct snapshot s;

	snapshot_make(fix, "x", 1, NULL);
	assert_int_equal(snapshot_open(&s, &fix->state, "x", &fix->err), 0);
	assert_int_equal(stage_hide(&fix->state, "x", hidden, &fix->err), 0);
	assert_int_equal(stage_bury(&fix->state, hidden, 0, &fix->err), 0);
	assert_int_equal(snapshot_gc(&fix->state, removed, &fix->err), 0);
	assert_int_equal(json_array_size(removed), 0);
	assert_true(has_memory(s.dir_fd));
	check_statuses(fix, "");
	snapshot_close(&s);
	assert_int_equal(snapshot_gc(&fix->state, removed, &fix->err), 0);
	assert_int_equal(json_array_size(removed), 1);
}

static void replaced_one_is_left(void **state)
{
	struct fixture *fix = *state;
	char hidden[NAME_MAX + 1];
	struct snapshot old, now;
	__close int fd = -1;

	snapshot_make(fix, "x", 1, NULL);
	assert_int_equal(snapshot_open(&old, &fix->state, "x", &fix->err), 0);
	fd = stage_reopen(&fix->state, "x", &fix->err);
	assert_true(fd >= 0);
	snapshot_fill(fix, fd, 2, NULL);
	assert_int_equal(stage_replace(&fix->state, fd, "x", hidden, &fix->err),
			 0);
	assert_int_equal(snapshot_open(&now, &fix->state, "x", &fix->err), 0);
	assert_int_equal(now.id[0], 2);
	assert_int_equal(stage_bury(&fix->state, hidden, 0, &fix->err), 0);
	assert_true(has_memory(old.dir_fd));
	snapshot_close(&old);
	assert_int_equal(stage_bury(&fix->state, hidden, 0, &fix->err), 0);
	assert_int_equal(faccessat(fix->state.snapshots_fd, hidden, F_OK, 0),
			 -1);
	assert_true(has_memory(now.dir_fd));
	snapshot_close(&now);
}

/* a, b on a, c on b. */
static void family_make(struct fixture *fix)
{
	snapshot_make(fix, "a", 1, NULL);
	snapshot_make(fix, "b", 2, "a");
	snapshot_make(fix, "c", 3, "b");
	check_statuses(fix, "a:ready b:ready c:ready ");
}

static void orphans_are_broken(void **state)
{
	struct fixture *fix = *state;

	family_make(fix);
	assert_int_equal(names_remove(fix, "a", NULL, SNAPSHOT_ORPHANS_REFUSE),
			 -EBUSY);
	check_statuses(fix, "a:ready b:ready c:ready ");
	assert_int_equal(names_remove(fix, "a", NULL, SNAPSHOT_ORPHANS_FORCE),
			 0);
	check_statuses(fix, "b:broken c:broken ");
	/* the name alone does not make it a parent */
	snapshot_make(fix, "a", 7, NULL);
	check_statuses(fix, "a:ready b:broken c:broken ");
}

static void families_are_removed(void **state)
{
	struct fixture *fix = *state;

	family_make(fix);
	assert_int_equal(names_remove(fix, "c", "b", SNAPSHOT_ORPHANS_REFUSE),
			 0);
	check_statuses(fix, "a:ready ");
	snapshot_make(fix, "b", 2, "a");
	assert_int_equal(names_remove(fix, "a", NULL, SNAPSHOT_ORPHANS_CASCADE),
			 0);
	check_statuses(fix, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writing_is_awaited), TEST(replaced_is_ready),
		TEST(open_one_is_left),	  TEST(replaced_one_is_left),
		TEST(orphans_are_broken), TEST(families_are_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
