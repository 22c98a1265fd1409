// SPDX-License-Identifier: MIT
/* How many processors control groups leave, and who yields to whom. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cpu.h"
#include "unit/scratch.h"

static struct scratch scratch;

static int setup(void **state)
{
	(void)state;
	return scratch_init(&scratch);
}

static int teardown(void **state)
{
	(void)state;
	return scratch_exit(&scratch);
}

static void put(const char *dir, const char *name, const char *text)
{
	struct vf_err err;
	int fd = *dir ? vf_mkdir_open(scratch.dir_fd, dir, &err)
		      : dup(scratch.dir_fd);

	assert_true(fd >= 0);
	assert_int_equal(
		vf_write_file(fd, name, text, strlen(text), false, &err), 0);
	close(fd);
}

static void test_quota(void **state)
{
	(void)state;
	/* nothing is limited, nor is it by a group that is not there */
	assert_int_equal(cpu_quota(scratch.dir_fd, "/"), 0);
	put("a", "cpu.max", "max 100000\n");
	assert_int_equal(cpu_quota(scratch.dir_fd, "/a"), 0);
	put("a", "cpu.max", "150000 100000\n");
	assert_int_equal(cpu_quota(scratch.dir_fd, "/a"), 2);
	/* a parent's limit is that of its children */
	put("a/b", "cpu.max", "800000 100000\n");
	assert_int_equal(cpu_quota(scratch.dir_fd, "/a/b"), 2);
	put("a/b", "cpu.max", "1000 100000\n");
	assert_int_equal(cpu_quota(scratch.dir_fd, "/a/b"), 1);
	assert_int_equal(cpu_quota(scratch.dir_fd, "/a/b/gone"), 1);
	put("a/b", "cpu.max", "nonsense\n");
	assert_int_equal(cpu_quota(scratch.dir_fd, "/a/b"), 2);
	put("a/b", "cpu.max", "5 0\n");
	assert_int_equal(cpu_quota(scratch.dir_fd, "/a/b"), 2);
}

static void test_quota_old(void **state)
{
	(void)state;
	put("c", "cpu.cfs_quota_us", "-1\n");
	put("c", "cpu.cfs_period_us", "100000\n");
	assert_int_equal(cpu_quota(scratch.dir_fd, "/c"), 0);
	put("c", "cpu.cfs_quota_us", "300000\n");
	assert_int_equal(cpu_quota(scratch.dir_fd, "/c"), 3);
}

static void test_count(void **state)
{
	cpu_set_t set;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	assert_true(cpu_count() >= 1);
	assert_true(cpu_count() <= (unsigned int)CPU_COUNT(&set));
}

static void test_yield(void **state)
{
	int ready[2];
	pid_t pid;
	char c;

	(void)state;
	if (!cpu_can_yield())
		skip();
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		setsid();
		(void)!write(ready[1], "", 1);
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	/* before, its session is ours */
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	cpu_yield(pid, true);
	assert_int_equal(sched_getscheduler(pid), SCHED_IDLE);
	cpu_yield(pid, false);
	assert_int_equal(sched_getscheduler(pid), SCHED_OTHER);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* one that has gone is no error */
	cpu_yield(pid, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_quota_old),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_yield),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
