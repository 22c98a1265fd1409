// SPDX-License-Identifier: MIT
/* How many processors control groups leave, and who yields to whom. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

/* Return: the leader of a session of its own, which does nothing */
static pid_t session_start(void)
{
	int ready[2];
	pid_t pid;
	char c;

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
	return pid;
}

/* Where the kernel weighs sessions: what this one weighs. */
static void assert_session(pid_t pid, int nice)
{
	char path[32], text[64] = "", *at;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/autogroup", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	at = strstr(text, " nice ");
	assert_non_null(at);
	assert_int_equal(atoi(at + 6), nice);
}

static void test_yield(void **state)
{
	pid_t pid;

	(void)state;
	if (!cpu_can_yield())
		skip();
	pid = session_start();
	cpu_yield(pid, true);
	assert_int_equal(sched_getscheduler(pid), SCHED_IDLE);
	assert_session(pid, 19);
	cpu_yield(pid, false);
	assert_int_equal(sched_getscheduler(pid), SCHED_OTHER);
	assert_session(pid, 0);
	/* who goes first is made equal in the same way, or yields */
	assert_true(cpu_lead(pid, -7));
	assert_session(pid, -7);
	cpu_yield(pid, false);
	assert_session(pid, 0);
	assert_true(cpu_lead(pid, -7));
	cpu_yield(pid, true);
	assert_session(pid, 19);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* one that has gone is no error */
	cpu_yield(pid, true);
	assert_true(cpu_lead(pid, -7));
}

static void test_lead_nice(void **state)
{
	(void)state;
	/* few are no burden, nor are many on a large machine */
	assert_int_equal(cpu_lead_nice(3, 2), 0);
	assert_int_equal(cpu_lead_nice(65, 100), 0);
	/* 1.25^12 is 14.6, and 15 times as much is wanted */
	assert_int_equal(cpu_lead_nice(3, 100), -13);
	assert_in_range(-cpu_lead_nice(3, 25), 5, 8);
	/* the rest of the machine is left something */
	assert_int_equal(cpu_lead_nice(3, 1000000), -15);
}

/* As a command does that was given a policy of its own. Return: it is kept */
static bool keeps_policy(int policy)
{
	struct sched_param param = { 0 };

	if (sched_setscheduler(0, policy, &param) < 0 || cpu_can_yield())
		return false;
	cpu_unhurry(cpu_hurry());
	return sched_getscheduler(0) == policy;
}

static void test_other_policy(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(!keeps_policy(SCHED_BATCH));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_hurry(void **state)
{
	bool outer = cpu_hurry(), inner;

	(void)state;
	if (!outer)
		skip();
	inner = cpu_hurry();
	assert_false(inner);
	/* the inner one ends nothing of the outer one's */
	cpu_unhurry(inner);
	assert_int_equal(sched_getscheduler(0), SCHED_RR);
	cpu_unhurry(outer);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

/* All but what the kernel asks of who weighs sessions as often as he likes. */
static int drop_admin(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	data[0].effective &= ~(1U << CAP_SYS_ADMIN);
	return (int)syscall(SYS_capset, &header, data);
}

/* Weights that the kernel would refuse are not set, for they could stay. */
static void test_no_privilege(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0 || access("/proc/self/autogroup", W_OK) < 0)
		skip();
	pid = fork();
	if (pid == 0) {
		if (setsid() < 0 || drop_admin() < 0)
			_exit(2);
		_exit(cpu_can_yield());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_quota_old),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_lead_nice),
		cmocka_unit_test(test_other_policy),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_no_privilege),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
