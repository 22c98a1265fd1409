// SPDX-License-Identifier: MIT
/* Which files are hooks, in which order they run, and what ends them. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks.h"
#include "log.h"
#include "monotonic.h"

#define LONG_MS 20000

static char scratch[48];
static struct loop loop;
static struct hooks hooks;
static char dir[96], output[96], output_env[112];
static char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", output_env, NULL };
static int called_with;
static unsigned int calls;

static int setup(void **state)
{
	(void)state;
	log_init(LOG_ERROR);
	strcpy(scratch, "/tmp/agent-hooks-XXXXXX");
	if (!mkdtemp(scratch))
		return -1;
	snprintf(dir, sizeof(dir), "%s/hooks.d", scratch);
	snprintf(output, sizeof(output), "%s/output", scratch);
	snprintf(output_env, sizeof(output_env), "OUT=%s", output);
	loop = (struct loop){ 0 };
	calls = 0;
	called_with = HOOKS_LATER;
	return hooks_init(&hooks, &loop) || mkdir(dir, 0755);
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	hooks_stop(&hooks);
	snprintf(command, sizeof(command), "rm -rf %s", scratch);
	return system(command);
}

static void put_line(const char *name, const char *interpreter,
		     const char *script, mode_t mode)
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "#!%s\n%s\n", interpreter, script);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void put(const char *name, const char *script, mode_t mode)
{
	put_line(name, "/bin/sh", script, mode);
}

static void said(const char *wanted)
{
	char text[512] = "";
	FILE *file = fopen(output, "re");

	if (file) {
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
	}
	assert_string_equal(text, wanted);
}

static void ended(void *arg, int ret)
{
	(void)arg;
	calls++;
	called_with = ret;
	loop_stop(&loop);
}

static struct hooks_run run_of(enum vmfork_policy policy, uint64_t timeout_ms)
{
	return (struct hooks_run){ .dir = dir,
				   .env = env,
				   .policy = policy,
				   .timeout_ms = timeout_ms,
				   .cb = ended };
}

/* Until the callback says how it ended. */
static int wait_for(int ret)
{
	if (ret != HOOKS_LATER)
		return ret;
	loop.stopped = false;
	assert_int_equal(loop_run(&loop), 0);
	assert_false(hooks_is_busy(&hooks));
	return called_with;
}

static int run(enum vmfork_policy policy, uint64_t timeout_ms)
{
	struct hooks_run how = run_of(policy, timeout_ms);

	return wait_for(hooks_start(&hooks, &how));
}

static void test_nothing_to_run(void **state)
{
	char path[200];

	(void)state;
	put("10-not-executable", "echo no >>$OUT", 0644);
	put(".hidden", "echo no >>$OUT", 0755);
	put("with space", "echo no >>$OUT", 0755);
	put("group-writable", "echo no >>$OUT", 0775);
	put("world-writable", "echo no >>$OUT", 0757);
	snprintf(path, sizeof(path), "%s/link", dir);
	assert_int_equal(symlink("/bin/true", path), 0);
	snprintf(path, sizeof(path), "%s/sub", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(run(VMFORK_POLICY_FAIL, LONG_MS), 0);
	assert_int_equal(calls, 0);
	assert_int_equal(hooks.num, 0);
	said("");
}

static void test_no_directory(void **state)
{
	(void)state;
	strcat(dir, "-absent");
	assert_int_equal(run(VMFORK_POLICY_FAIL, LONG_MS), 0);
	assert_int_equal(calls, 0);
}

static void test_open_directory(void **state)
{
	(void)state;
	put("10", "echo no >>$OUT", 0755);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(run(VMFORK_POLICY_FAIL, LONG_MS), -EPERM);
	assert_int_equal(run(VMFORK_POLICY_IGNORE, LONG_MS), 0);
	said("");
}

/* Order, environment, argument, standard input and folder. */
static void test_order(void **state)
{
	struct hooks_run how = run_of(VMFORK_POLICY_FAIL, LONG_MS);
	char input[] = "/proc/sys/kernel/ostype";

	(void)state;
	put("b", "echo b $1 $(cat) $(pwd) >>$OUT", 0755);
	put("a", "echo a $# >>$OUT", 0700);
	put("B", "echo B $PATH >>$OUT", 0755);
	put("10", "echo 10 >>$OUT", 0755);
	how.argument = "prepare";
	how.input = input;
	assert_int_equal(hooks_start(&hooks, &how), HOOKS_LATER);
	assert_int_equal(hooks_start(&hooks, &how), -EBUSY);
	assert_int_equal(wait_for(HOOKS_LATER), 0);
	assert_int_equal(calls, 1);
	said("10\nB /usr/sbin:/usr/bin:/sbin:/bin\na 1\nb prepare Linux /\n");
}

static void test_ignore(void **state)
{
	(void)state;
	put("1", "echo 1 >>$OUT; exit 3", 0755);
	put("2", "echo 2 >>$OUT; kill -9 $$", 0755);
	put("3", "echo 3 >>$OUT", 0755);
	assert_int_equal(run(VMFORK_POLICY_IGNORE, LONG_MS), 0);
	said("1\n2\n3\n");
}

static void test_fail(void **state)
{
	(void)state;
	put("1", "echo 1 >>$OUT", 0755);
	put("2", "echo 2 >>$OUT; exit 3", 0755);
	put("3", "echo 3 >>$OUT", 0755);
	assert_int_equal(run(VMFORK_POLICY_FAIL, LONG_MS), -EIO);
	said("1\n2\n");
}

static void test_not_startable(void **state)
{
	(void)state;
	put_line("1", "/no/such/interpreter", "", 0755);
	assert_int_equal(run(VMFORK_POLICY_FAIL, LONG_MS), -ENOENT);
	assert_int_equal(calls, 0);
	assert_int_equal(run(VMFORK_POLICY_IGNORE, LONG_MS), 0);
}

/* The one that hangs goes, with what it has started; the rest is skipped. */
static void test_time_limit(void **state)
{
	uint64_t begun = monotonic_ns();
	struct pollfd pfd = { .events = POLLIN };
	char text[32] = "";
	FILE *file;

	(void)state;
	put("1", "sleep 1000 & echo $! >$OUT; wait", 0755);
	put("2", "echo 2 >>$OUT", 0755);
	assert_int_equal(run(VMFORK_POLICY_FAIL, 700), -ETIMEDOUT);
	assert_in_range(monotonic_ns() - begun, 700 * NS_PER_MS, 10 * NS_PER_S);
	file = fopen(output, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
	pfd.fd = (int)syscall(SYS_pidfd_open, atoi(text), 0);
	if (pfd.fd >= 0) {
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		close(pfd.fd);
	}
	assert_int_equal(run(VMFORK_POLICY_IGNORE, 300), 0);
}

/* Only those that ran are told that it is over, the last one first. */
static void test_backwards(void **state)
{
	struct hooks_run how = run_of(VMFORK_POLICY_FAIL, LONG_MS);

	(void)state;
	put("1", "echo 1 $1 >>$OUT", 0755);
	put("2", "echo 2 $1 >>$OUT; [ $1 = release ]", 0755);
	put("3", "echo 3 $1 >>$OUT", 0755);
	how.argument = "prepare";
	assert_int_equal(wait_for(hooks_start(&hooks, &how)), -EIO);
	how.argument = "release";
	assert_int_equal(wait_for(hooks_start_backwards(&hooks, &how)), 0);
	said("1 prepare\n2 prepare\n2 release\n1 release\n");
}

static void stop_cb(void *arg)
{
	loop_stop(arg);
}

static void test_stop(void **state)
{
	struct hooks_run how = run_of(VMFORK_POLICY_FAIL, LONG_MS);
	struct pollfd pfd = { .events = POLLIN };
	struct loop_timer stop_timer;

	(void)state;
	assert_int_equal(loop_add_timer(&loop, &stop_timer, stop_cb, &loop), 0);
	put("1", "exec sleep 1000", 0755);
	assert_int_equal(hooks_start(&hooks, &how), HOOKS_LATER);
	hooks_stop(&hooks);
	assert_false(hooks_is_busy(&hooks));
	pfd.fd = hooks.dying[0].pid_fd;
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	loop.stopped = false;
	stop_timer.due_ns = monotonic_ns();
	assert_int_equal(loop_run(&loop), 0); /* one turn */
	assert_int_equal(hooks.dying[0].pid, 0);
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD); /* no zombie */
	put("1", "echo again >>$OUT", 0755);
	assert_int_equal(wait_for(hooks_start(&hooks, &how)), 0);
	assert_int_equal(calls, 1);
	said("again\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_run), TEST(test_no_directory),
		TEST(test_open_directory), TEST(test_order),
		TEST(test_ignore),	   TEST(test_fail),
		TEST(test_not_startable),  TEST(test_time_limit),
		TEST(test_backwards),	   TEST(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
