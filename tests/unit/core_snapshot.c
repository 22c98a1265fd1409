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
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/layer.h"
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

/* All zeros but for its name at the beginning. */
static void memory_make(struct fixture *fix, int dir_fd, const char *name)
{
	__close int fd = -1;

	file_make(fix, dir_fd, name);
	fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, MEMORY_BYTES), 0);
}

static void layer_make(struct fixture *fix, int dir_fd)
{
	struct extents pages = { 0 };

	memory_make(fix, dir_fd, SNAPSHOT_LAYER_FILE);
	assert_int_equal(extents_add(&pages, 0, 1), 0);
	assert_int_equal(layer_index_save(dir_fd, &pages, &fix->err), 0);
	extents_exit(&pages);
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
		layer_make(fix, dir_fd);
	} else {
		memory_make(fix, dir_fd, VMM_MEMORY_FILE);
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

/* It says nothing any more, and changes nothing. */
static void killed_writer_is_noticed(void **state)
{
	struct fixture *fix = *state;
	int64_t start_us = vf_now_us();
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		(void)!write(fds[1],
			     stage_open(&fix->state, "x", &fix->err) < 0 ? "n"
									 : "y",
			     1);
		usleep(100000);
		_exit(0);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(snapshot_await(&fix->state, "x",
					start_us + 60 * 1000000LL, -1,
					&fix->err),
			 0);
	assert_true(vf_now_us() < start_us + 30 * 1000000LL);
	/* as a rule its end was taken note of by then */
	waitpid(pid, NULL, 0);
	close(fds[0]);
	close(fds[1]);
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

static int flatten(struct fixture *fix, const char *name)
{
	bool done;
	int ret = snapshot_flatten(&fix->state, name, -1, &done, &fix->err);

	assert_true(done == (ret == 0));
	return ret;
}

static void orphans_cannot_be_flattened(void **state)
{
	struct fixture *fix = *state;

	family_make(fix);
	assert_int_equal(names_remove(fix, "a", NULL, SNAPSHOT_ORPHANS_FORCE),
			 0);
	assert_int_equal(flatten(fix, "c"), -ENOENT);
	assert_non_null(strstr(fix->err.msg, "snapshot a: does not exist"));
	assert_non_null(strstr(fix->err.hint, "rmi c"));
	/* another of that name */
	snapshot_make(fix, "a", 7, NULL);
	assert_int_equal(flatten(fix, "c"), -ESTALE);
	assert_int_equal(flatten(fix, "b"), -ESTALE);
	check_statuses(fix, "a:ready b:broken c:broken ");
	assert_int_equal(names_remove(fix, "b", NULL, SNAPSHOT_ORPHANS_REFUSE),
			 -EBUSY);
	assert_int_equal(names_remove(fix, "b", "c", SNAPSHOT_ORPHANS_REFUSE),
			 0);
	check_statuses(fix, "a:ready ");
}

static void flattened_one_needs_no_parent(void **state)
{
	struct fixture *fix = *state;

	family_make(fix);
	assert_int_equal(flatten(fix, "b"), 0);
	assert_int_equal(names_remove(fix, "a", NULL, SNAPSHOT_ORPHANS_REFUSE),
			 0);
	check_statuses(fix, "b:ready c:ready ");
	assert_int_equal(flatten(fix, "c"), 0);
}

/* What would get a new crc is what was saved, not what became of it. */
static void spoilt_state_is_not_blessed(void **state)
{
	struct fixture *fix = *state;
	struct snapshot s;

	family_make(fix);
	assert_int_equal(snapshot_open(&s, &fix->state, "b", &fix->err), 0);
	assert_int_equal(vf_write_file(s.dir_fd, VMM_STATE_FILE, "stale", 5,
				       false, &fix->err),
			 0);
	snapshot_close(&s);
	assert_int_equal(flatten(fix, "b"), -EBADMSG);
	/* it is not what is loaded of one that builds on it */
	assert_int_equal(flatten(fix, "c"), 0);
}

/* What was still read when it was removed goes with the next one. */
static void removed_one_is_swept(void **state)
{
	struct fixture *fix = *state;
	__json json_t *removed = json_array();
	char hidden[NAME_MAX + 1];
	struct snapshot s;

	snapshot_make(fix, "x", 1, NULL);
	snapshot_make(fix, "y", 2, NULL);
	assert_int_equal(snapshot_open(&s, &fix->state, "x", &fix->err), 0);
	assert_int_equal(stage_hide(&fix->state, "x", hidden, &fix->err), 0);
	assert_int_equal(stage_bury(&fix->state, hidden, 0, &fix->err), 0);
	snapshot_close(&s);
	assert_int_equal(names_remove(fix, "y", NULL, SNAPSHOT_ORPHANS_REFUSE),
			 0);
	assert_int_equal(snapshot_gc(&fix->state, removed, &fix->err), 0);
	assert_int_equal(json_array_size(removed), 0);
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
		TEST(writing_is_awaited),
		TEST(replaced_is_ready),
		TEST(open_one_is_left),
		TEST(replaced_one_is_left),
		TEST(orphans_are_broken),
		TEST(families_are_removed),
		TEST(killed_writer_is_noticed),
		TEST(orphans_cannot_be_flattened),
		TEST(flattened_one_needs_no_parent),
		TEST(spoilt_state_is_not_blessed),
		TEST(removed_one_is_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
