// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "unit/scratch.h"

/* Each test has an empty directory of its own. */
struct fixture {
	struct scratch dir;
	struct vf_err err;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	if (!fix)
		return -1;
	*state = fix;
	return scratch_init(&fix->dir);
}

static int teardown(void **state)
{
	struct fixture *fix = *state;
	int ret = scratch_exit(&fix->dir);

	free(fix);
	return ret;
}

static unsigned int num_entries(int dir_fd)
{
	__closedir DIR *dir = fdopendir(openat(dir_fd, ".", O_RDONLY));
	unsigned int num = 0;

	assert_non_null(dir);
	while (readdir(dir))
		num++;
	return num - 2; /* . and .. */
}

static void write_then_read(void **state)
{
	struct fixture *fix = *state;
	char *text = NULL;
	struct stat st;
	size_t len = 0;

	for (int durable = 0; durable < 2; durable++) {
		assert_int_equal(vf_write_file(fix->dir.dir_fd, "f", "old", 3,
					       durable, &fix->err),
				 0);
		assert_int_equal(vf_write_file(fix->dir.dir_fd, "f", "newer", 5,
					       durable, &fix->err),
				 0);
		assert_int_equal(vf_read_file(fix->dir.dir_fd, "f", 5, &text,
					      &len, &fix->err),
				 0);
		assert_int_equal(len, 5);
		assert_string_equal(text, "newer");
		free(text);
	}
	assert_int_equal(num_entries(fix->dir.dir_fd), 1);
	assert_int_equal(fstatat(fix->dir.dir_fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(
		vf_read_file(fix->dir.dir_fd, "f", 4, &text, &len, &fix->err),
		-EFBIG);
	assert_int_equal(
		vf_read_file(fix->dir.dir_fd, "g", 4, &text, &len, &fix->err),
		-ENOENT);
	assert_string_equal(fix->err.msg, "g: No such file or directory");
}

/* Of any size, whatever room it was first given; up to its limit, and no further. */
static void large_ones_are_read(void **state)
{
	static const size_t sizes[] = { 0,	 1,	    65535,  65536,
					65537,	 131072,    131073, 3 * 65536,
					1000000, 16 * 65536 };
	struct fixture *fix = *state;
	__free char *text = malloc(16 * 65536);

	for (size_t i = 0; i < 16 * 65536; i++)
		text[i] = (char)(i % 251 + 1);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		__free char *small = NULL, *large = NULL, *never = NULL;
		size_t size = sizes[i], len = 0;

		assert_int_equal(vf_write_file(fix->dir.dir_fd, "f", text, size,
					       false, &fix->err),
				 0);
		assert_int_equal(vf_read_file(fix->dir.dir_fd, "f", size,
					      &small, &len, &fix->err),
				 0);
		assert_int_equal(len, size);
		assert_memory_equal(small, text, size);
		assert_int_equal(small[size], '\0');
		assert_int_equal(vf_read_file(fix->dir.dir_fd, "f", 1 << 30,
					      &large, &len, &fix->err),
				 0);
		assert_int_equal(len, size);
		assert_memory_equal(large, text, size);
		if (size)
			assert_int_equal(vf_read_file(fix->dir.dir_fd, "f",
						      size - 1, &never, &len,
						      &fix->err),
					 -EFBIG);
	}
}

/* A full disk, as far as a process can have one for itself. */
static void limit_file_size(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	setrlimit(RLIMIT_FSIZE, &limit);
}

static void failed_write_leaves_nothing(void **state)
{
	struct fixture *fix = *state;
	char *text = NULL;
	int ret;

	assert_int_equal(
		vf_write_file(fix->dir.dir_fd, "f", "old", 3, false, &fix->err),
		0);
	limit_file_size(4);
	ret = vf_write_file(fix->dir.dir_fd, "f", "newer", 5, false, &fix->err);
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(ret, -EFBIG);
	assert_int_equal(
		vf_read_file(fix->dir.dir_fd, "f", 9, &text, NULL, &fix->err),
		0);
	assert_string_equal(text, "old");
	free(text);
	assert_int_equal(num_entries(fix->dir.dir_fd), 1);

	/* the last step fails */
	assert_int_equal(mkdirat(fix->dir.dir_fd, "d", 0700), 0);
	assert_int_equal(
		vf_write_file(fix->dir.dir_fd, "d", "x", 1, false, &fix->err),
		-EISDIR);
	assert_int_equal(num_entries(fix->dir.dir_fd), 2);
}

static void copy(void **state)
{
	struct fixture *fix = *state;
	__close int fd = -1;
	char *text = NULL;
	int ret;

	assert_int_equal(vf_write_file(fix->dir.dir_fd, "f", "contents", 8,
				       false, &fix->err),
			 0);
	fd = openat(fix->dir.dir_fd, "f", O_RDONLY | O_CLOEXEC);
	assert_true(lseek(fd, 3, SEEK_SET) == 3); /* no matter */
	assert_int_equal(vf_copy_file(fd, fix->dir.dir_fd, "g", &fix->err), 0);
	assert_int_equal(
		vf_read_file(fix->dir.dir_fd, "g", 8, &text, NULL, &fix->err),
		0);
	assert_string_equal(text, "contents");
	free(text);
	assert_int_equal(vf_copy_file(fd, fix->dir.dir_fd, "g", &fix->err),
			 -EEXIST);
	limit_file_size(4);
	ret = vf_copy_file(fd, fix->dir.dir_fd, "h", &fix->err);
	limit_file_size(RLIM_INFINITY);
	assert_true(ret < 0);
	assert_int_equal(num_entries(fix->dir.dir_fd), 2);
}

static void short_read_is_an_error(void **state)
{
	struct fixture *fix = *state;
	__close int fd = -1;
	char buf[8];

	assert_int_equal(vf_write_file(fix->dir.dir_fd, "f", "12345678", 8,
				       false, &fix->err),
			 0);
	fd = openat(fix->dir.dir_fd, "f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(vf_pread_all(fd, buf, 8, 0), 0);
	assert_int_equal(vf_pread_all(fd, buf, 4, 4), 0);
	assert_memory_equal(buf, "5678", 4);
	assert_int_equal(vf_pread_all(fd, buf, 8, 1), -ENODATA);
	assert_int_equal(vf_pread_all(fd, buf, 1, 8), -ENODATA);
	assert_int_equal(vf_pread_all(-1, buf, 1, 0), -EBADF);
}

static void remove_tree_follows_no_link(void **state)
{
	struct fixture *fix = *state;
	__close int keep_fd = vf_mkdir_open(fix->dir.dir_fd, "keep", &fix->err);
	__close int tree_fd = vf_mkdir_open(fix->dir.dir_fd, "tree", &fix->err);
	__close int deep_fd = vf_mkdir_open(tree_fd, "deep", &fix->err);

	assert_true(keep_fd >= 0 && tree_fd >= 0 && deep_fd >= 0);
	assert_int_equal(vf_write_file(keep_fd, "f", "x", 1, false, &fix->err),
			 0);
	assert_int_equal(vf_write_file(deep_fd, "f", "x", 1, false, &fix->err),
			 0);
	assert_int_equal(symlinkat("../../keep", deep_fd, "link"), 0);
	assert_int_equal(symlinkat("keep", fix->dir.dir_fd, "direct"), 0);
	assert_int_equal(vf_remove_tree(fix->dir.dir_fd, "tree"), 0);
	assert_int_equal(faccessat(fix->dir.dir_fd, "tree", F_OK, 0), -1);
	assert_true(vf_remove_tree(fix->dir.dir_fd, "direct") < 0);
	assert_int_equal(num_entries(keep_fd), 1);
	assert_int_equal(vf_remove_tree(fix->dir.dir_fd, "tree"), 0); /* none */
}

static void lock_has_a_time_limit(void **state)
{
	struct fixture *fix = *state;
	int fd = vf_lock(fix->dir.dir_fd, "lock", 0, &fix->err);
	int64_t start_us = vf_now_us();
	int status;

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(vf_lock(fix->dir.dir_fd, "lock", 50, &fix->err),
			 -ETIMEDOUT);
	assert_in_range(vf_now_us() - start_us, 50000, 2000000);
	close(fd);
	fd = vf_lock(fix->dir.dir_fd, "lock", 0, &fix->err);
	assert_true(fd >= 0);
	close(fd);

	/* a killed holder holds nothing */
	if (fork() == 0) {
		vf_lock(fix->dir.dir_fd, "lock", 0, &fix->err);
		raise(SIGKILL);
	}
	wait(&status);
	fd = vf_lock(fix->dir.dir_fd, "lock", 1000, &fix->err);
	assert_true(fd >= 0);
	close(fd);
}

static void waits_end(void **state)
{
	int64_t start_us = vf_now_us();
	int pipe_fd[2], cancel_fd[2];

	(void)state;
	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
	assert_int_equal(pipe2(cancel_fd, O_CLOEXEC), 0);
	assert_int_equal(vf_wait_readable(pipe_fd[0], -1, start_us + 20000),
			 -ETIMEDOUT);
	assert_in_range(vf_now_us() - start_us, 20000, 2000000);
	assert_int_equal(vf_wait_readable(pipe_fd[0], -1, 0), -ETIMEDOUT);
	assert_int_equal(vf_write_all(pipe_fd[1], "x", 1), 0);
	assert_int_equal(vf_wait_readable(pipe_fd[0], cancel_fd[0], 0), 0);
	close(cancel_fd[1]);
	assert_int_equal(vf_wait_readable(pipe_fd[0], cancel_fd[0], 0),
			 -ECANCELED);
	close(pipe_fd[1]);
	assert_int_equal(vf_wait_readable(pipe_fd[0], -1, 0), 0);
	close(pipe_fd[0]);
	close(cancel_fd[0]);
}

static void giving_up_is_seen(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(vf_check_cancel(-1), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(vf_check_cancel(fds[0]), 0);
	close(fds[1]);
	assert_int_equal(vf_check_cancel(fds[0]), -ECANCELED);
	close(fds[0]);
}

static void write_to_a_place(void **state)
{
	struct fixture *fix = *state;
	__close int fd = openat(fix->dir.dir_fd, "file",
				O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char buf[8] = { 0 };

	assert_int_equal(vf_pwrite_all(fd, "text", 4, 3), 0);
	assert_int_equal(vf_pread_all(fd, buf, 7, 0), 0);
	assert_memory_equal(buf, "\0\0\0text", 7);
	assert_int_equal(vf_sync_file(fix->dir.dir_fd, "file", &fix->err), 0);
	assert_int_equal(vf_sync_file(fix->dir.dir_fd, "none", &fix->err),
			 -ENOENT);
	assert_int_equal(symlinkat("file", fix->dir.dir_fd, "link"), 0);
	assert_int_equal(vf_sync_file(fix->dir.dir_fd, "link", &fix->err),
			 -ELOOP);
}

static void names(void **state)
{
	static const char *const good[] = { "a", "0", "web-1", "a.b_c", "a--" };
	static const char *const bad[] = { "",		 ".", "..",   "-a",
					   "_a",	 "A", "a b",  "a/b",
					   "a\n",	 "ä", "a\\b", ".git",
					   "12345678901" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(vf_name_is_valid(good[i], 10));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(vf_name_is_valid(bad[i], 10));
	assert_true(vf_name_is_valid("1234567890", 10));
}

static void hex_and_random(void **state)
{
	uint8_t a[256] = { 0 }, b[256] = { 0 };
	char text[9];

	(void)state;
	vf_hex(text, "\x00\x0f\xa0\xff", 4);
	assert_string_equal(text, "000fa0ff");
	assert_int_equal(vf_random(a, sizeof(a)), 0);
	assert_int_equal(vf_random(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
}

#define io_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		io_test(write_then_read),
		io_test(large_ones_are_read),
		io_test(failed_write_leaves_nothing),
		io_test(copy),
		io_test(short_read_is_an_error),
		io_test(remove_tree_follows_no_link),
		io_test(lock_has_a_time_limit),
		io_test(write_to_a_place),
		cmocka_unit_test(waits_end),
		cmocka_unit_test(giving_up_is_seen),
		cmocka_unit_test(names),
		cmocka_unit_test(hex_and_random),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
