// SPDX-License-Identifier: MIT
/* Who is sent which signal after a restore, and who is not. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "notify.h"

static char scratch[48];
static int dir_fd;

static int setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/agent-notify-XXXXXX");
	if (!mkdtemp(scratch))
		return -1;
	dir_fd = open(scratch, O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : notify_open(dir_fd);
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	close(dir_fd);
	snprintf(command, sizeof(command), "rm -rf %s", scratch);
	return system(command);
}

static void put(const char *name, const char *text)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/notify.d/%s", scratch, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static bool exists(const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "notify.d/%s", name);
	return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		pid_t pid;
		int signal;
	} good[] = {
		{ "17", 17, SIGUSR1 },
		{ "17\n", 17, SIGUSR1 },
		{ "2147483647 HUP\n", 2147483647, SIGHUP },
		{ "17 SIGTERM", 17, SIGTERM },
		{ "17 \t12 \n", 17, 12 },
		{ "1 64", 1, 64 },
	};
	static const char *const bad[] = {
		"",	    "0",      "-1",	 "2147483648", "99999999999999",
		"17x",	    "x",      "17 NONE", "17 0",       "17 65",
		"17 HUP 1", "17 hup", "17 1x",	 " 17",	       "17 SIG",
	};
	pid_t pid;
	int number;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(notify_parse(good[i].text, &pid, &number));
		assert_int_equal(pid, good[i].pid);
		assert_int_equal(number, good[i].signal);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (notify_parse(bad[i], &pid, &number))
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

/* A child that lets its signals wait: which one comes is asked afterwards. */
static pid_t child_start(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void test_signals(void **state)
{
	pid_t first = child_start(), second = child_start();
	char text[32];
	int status;

	(void)state;
	snprintf(text, sizeof(text), "%d\n", first);
	put("first", text);
	snprintf(text, sizeof(text), "%d TERM\n", second);
	put("second", text);
	assert_int_equal(notify_all(dir_fd), 2);
	assert_int_equal(waitpid(first, &status, 0), first);
	assert_int_equal(WTERMSIG(status), SIGUSR1);
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_int_equal(WTERMSIG(status), SIGTERM);
	/* both are gone: so are their files, by the next time */
	assert_int_equal(notify_all(dir_fd), 0);
	assert_false(exists("first"));
	assert_false(exists("second"));
}

static void test_left_alone(void **state)
{
	char path[96], text[32];

	(void)state;
	snprintf(text, sizeof(text), "%d KILL\n", getpid());
	put(".hidden", text);
	put("half", "");
	put("words", "please tell me");
	snprintf(path, sizeof(path), "%s/own", scratch);
	assert_int_equal(symlinkat("../own", dir_fd, "notify.d/link"), 0);
	assert_int_equal(mkfifoat(dir_fd, "notify.d/fifo", 0600), 0);
	assert_int_equal(mkdirat(dir_fd, "notify.d/folder", 0700), 0);
	assert_int_equal(notify_all(dir_fd), 0);
	assert_true(exists("words"));
	assert_true(exists("link"));
	assert_true(exists("fifo"));
}

/* A file of somebody's is no order to a process of somebody else. */
static void test_not_his(void **state)
{
	char path[96], text[32];

	(void)state;
	if (getuid() != 0)
		skip();
	snprintf(text, sizeof(text), "%d KILL\n", getpid());
	put("his", text);
	snprintf(path, sizeof(path), "%s/notify.d/his", scratch);
	if (chown(path, 65534, 65534) < 0)
		skip(); /* a user namespace without him */
	assert_int_equal(notify_all(dir_fd), 0);
	assert_true(exists("his"));
}

static void test_no_folder(void **state)
{
	(void)state;
	assert_int_equal(unlinkat(dir_fd, "notify.d", AT_REMOVEDIR), 0);
	assert_int_equal(notify_all(dir_fd), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), TEST(test_signals),
		TEST(test_left_alone),	      TEST(test_not_his),
		TEST(test_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
