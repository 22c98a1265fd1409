// SPDX-License-Identifier: MIT
// time: 60
/* Processes and their records: a stale one never speaks of a stranger. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/io.h"
#include "base/process.h"
#include "unit/scratch.h"

#define LOG "log"

struct fixture {
	struct scratch dir;
	struct process proc;
	struct vf_err err;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	if (!fix)
		return -1;
	fix->proc.pidfd = -1;
	*state = fix;
	return scratch_init(&fix->dir);
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	process_kill(&fix->proc, 0);
	process_close(&fix->proc);
	scratch_exit(&fix->dir);
	free(fix);
	return 0;
}

static int spawn(struct fixture *fix, const char *command)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };

	return process_spawn(&fix->proc, fix->dir.dir_fd, LOG, argv, NULL, 0,
			     &fix->err);
}

static void spawn_sleep(struct fixture *fix)
{
	assert_int_equal(spawn(fix, "exec sleep 1000"), 0);
}

static void record_read(struct fixture *fix, char **record)
{
	assert_int_equal(vf_read_file(fix->dir.dir_fd, PROCESS_FILE, 4096,
				      record, NULL, &fix->err),
			 0);
}

static void record_write(struct fixture *fix, const char *record)
{
	assert_int_equal(vf_write_file(fix->dir.dir_fd, PROCESS_FILE, record,
				       strlen(record), false, &fix->err),
			 0);
}

static bool lives(struct fixture *fix)
{
	struct process proc;
	bool found = process_open(&proc, fix->dir.dir_fd);

	process_close(&proc);
	return found;
}

static void life(void **state)
{
	struct fixture *fix = *state;
	struct process found;

	assert_false(lives(fix));
	spawn_sleep(fix);
	assert_true(process_open(&found, fix->dir.dir_fd));
	assert_int_equal(found.pid, fix->proc.pid);
	assert_int_equal(process_wait(&found, 0), -ETIMEDOUT);
	assert_true(process_mark_lives(fix->dir.dir_fd, PROCESS_FILE));
	assert_int_equal(process_kill(&found, 1000), 0);
	assert_int_equal(process_wait(&found, 0), 0);
	assert_false(lives(fix));
	assert_false(process_mark_lives(fix->dir.dir_fd, PROCESS_FILE));
	/* it was our child, and it does not stay as a zombie */
	assert_int_equal(waitpid(fix->proc.pid, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	process_close(&found);
}

/* Nobody may ever ask what became of it: a container's first process, say. */
static void zombie(void **state)
{
	struct fixture *fix = *state;
	siginfo_t info;

	assert_int_equal(spawn(fix, "exit 0"), 0);
	assert_int_equal(
		waitid(P_PID, (id_t)fix->proc.pid, &info, WEXITED | WNOWAIT),
		0);
	assert_false(process_mark_lives(fix->dir.dir_fd, PROCESS_FILE));
	assert_false(lives(fix));
	assert_int_equal(process_wait(&fix->proc, 0), 0);
}

static void stubborn(void **state)
{
	struct fixture *fix = *state;
	int64_t start_us;

	assert_int_equal(spawn(fix,
			       "trap '' TERM; echo ready; while :; do sleep 1; "
			       "done"),
			 0);
	for (;;) {
		__free char *log = NULL;

		assert_int_equal(vf_read_file(fix->dir.dir_fd, LOG, 64, &log,
					      NULL, &fix->err),
				 0);
		if (!strcmp(log, "ready\n"))
			break;
		assert_int_equal(process_wait(&fix->proc, 10), -ETIMEDOUT);
	}
	start_us = vf_now_us();
	assert_int_equal(process_kill(&fix->proc, 200), 0);
	assert_true(vf_now_us() - start_us >= 200000);
	assert_false(lives(fix));
}

static void no_program(void **state)
{
	struct fixture *fix = *state;
	char *argv[] = { (char *)"vmfork-no-such-program", NULL };

	assert_int_equal(process_spawn(&fix->proc, fix->dir.dir_fd, LOG, argv,
				       NULL, 0, &fix->err),
			 -ENOENT);
	assert_int_equal(fix->proc.pidfd, -1);
	assert_false(lives(fix));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* It gets the descriptors it is given, and no others. */
static void inheritance(void **state)
{
	struct fixture *fix = *state;
	__close int given = open("/dev/null", O_RDONLY | O_CLOEXEC);
	__close int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	__free char *log = NULL;
	char command[128];
	char *argv[] = { (char *)"sh", (char *)"-c", command, NULL };

	snprintf(command, sizeof(command),
		 "[ -e /proc/$$/fd/%d ] && [ ! -e /proc/$$/fd/%d ] && "
		 "echo both",
		 given, kept);
	assert_int_equal(process_spawn(&fix->proc, fix->dir.dir_fd, LOG, argv,
				       &given, 1, &fix->err),
			 0);
	assert_int_equal(process_wait(&fix->proc, 10000), 0);
	assert_int_equal(
		vf_read_file(fix->dir.dir_fd, LOG, 64, &log, NULL, &fix->err),
		0);
	assert_string_equal(log, "both\n");
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* What a script held when it called us is let go of, what is ours is not. */
static void detach(void **state)
{
	int fds[2], ours = open("/dev/null", O_RDONLY | O_CLOEXEC), status;
	struct stat null = { 0 }, out = { 0 };
	pid_t pid;

	(void)state;
	assert_true(ours >= 0);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		process_detach();
		fstat(ours, &null);
		fstat(STDOUT_FILENO, &out);
		_exit(is_open(fds[0]) || is_open(fds[1]) || !is_open(ours) ||
		      null.st_rdev != out.st_rdev || getsid(0) != getpid());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fds[0]);
	close(fds[1]);
	close(ours);
}

/* We may have raised our limit; who waits by select() had better not. */
static void usual_limit(void **state)
{
	struct fixture *fix = *state;
	__free char *log = NULL;

	files_raise();
	if (files_left() <= FD_SETSIZE)
		skip();
	assert_int_equal(spawn(fix, "ulimit -Sn"), 0);
	assert_int_equal(process_wait(&fix->proc, 10000), 0);
	assert_int_equal(
		vf_read_file(fix->dir.dir_fd, LOG, 64, &log, NULL, &fix->err),
		0);
	assert_int_equal(atoi(log), FD_SETSIZE);
}

/* A record in which one thing differs speaks of nobody. */
static void stale(void **state)
{
	struct fixture *fix = *state;
	__free char *record = NULL;
	char *stat, *start;

	spawn_sleep(fix);
	record_read(fix, &record);
	assert_true(lives(fix));
	/* another boot */
	record[0] ^= 1;
	record_write(fix, record);
	assert_false(lives(fix));
	record[0] ^= 1;
	record_write(fix, record);
	assert_true(lives(fix));
	/* another start: field 22, in clock ticks */
	stat = strchr(record, '\n') + 1;
	start = strrchr(stat, ')') + 1;
	for (int field = 3; field <= 22; field++)
		start = strchr(start, ' ') + 1;
	start[0] = start[0] == '9' ? '8' : '9';
	record_write(fix, record);
	assert_false(lives(fix));
	assert_int_equal(process_wait(&fix->proc, 0), -ETIMEDOUT);
}

/* Records cut at each length, and ones that were never whole. */
static void torn(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"boot\n",
		"boot\n1",
		"boot\n1 (",
		"boot\n-1 (x) S",
		"boot\n0 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1",
	};
	struct fixture *fix = *state;
	__free char *record = NULL;
	char *start;

	spawn_sleep(fix);
	record_read(fix, &record);
	/* up to where the start time begins: a part of that may be right */
	start = strrchr(record, ')') + 1;
	for (int field = 3; field <= 22; field++)
		start = strchr(start, ' ') + 1;
	for (size_t len = (size_t)(start - record); len-- > 0;) {
		record[len] = '\0';
		record_write(fix, record);
		assert_false(lives(fix));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		record_write(fix, bad[i]);
		assert_false(lives(fix));
	}
}

/* A thousand records of processes that others have become. */
static void strangers(void **state)
{
	struct fixture *fix = *state;
	__free char *record = NULL, *boot_id = NULL;
	char forged[512];

	spawn_sleep(fix);
	record_read(fix, &record);
	boot_id = strndup(record, strcspn(record, "\n"));
	for (int i = 0; i < 1000; i++) {
		snprintf(forged, sizeof(forged),
			 "%s\n%d (sleep) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 "
			 "1 0 %d 0 0",
			 boot_id, i % 2 ? fix->proc.pid : getpid(), i);
		record_write(fix, forged);
		assert_false(lives(fix));
	}
	assert_int_equal(process_wait(&fix->proc, 0), -ETIMEDOUT);
}

/* A name that looks like what follows a name. */
static void odd_name(void **state)
{
	static const char name[] = ") S 1 (x) R";
	struct fixture *fix = *state;
	char path[128];
	char *argv[] = { path, (char *)"1000", NULL };

	snprintf(path, sizeof(path), "%s/%s", fix->dir.path, name);
	assert_int_equal(symlinkat("/bin/sleep", fix->dir.dir_fd, name), 0);
	assert_int_equal(process_spawn(&fix->proc, fix->dir.dir_fd, LOG, argv,
				       NULL, 0, &fix->err),
			 0);
	assert_true(lives(fix));
}

static void mark(void **state)
{
	struct fixture *fix = *state;
	int status;
	pid_t pid;

	assert_false(process_mark_lives(fix->dir.dir_fd, "mark"));
	assert_int_equal(process_mark(fix->dir.dir_fd, "mark", &fix->err), 0);
	assert_true(process_mark_lives(fix->dir.dir_fd, "mark"));
	pid = fork();
	if (pid == 0)
		_exit(process_mark(fix->dir.dir_fd, "mark", &fix->err) ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(process_mark_lives(fix->dir.dir_fd, "mark"));
}

/* Those are kept and no others, whatever their order. */
static void keeping(void **state)
{
	int fds[5], status;
	pid_t pid;

	(void)state;
	for (int i = 0; i < 5; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const int kept[] = { fds[3], -1, fds[1] };
		int open = 0;

		process_keep_fds(kept, ARRAY_SIZE(kept));
		for (int i = 0; i < 5; i++)
			open |= (fcntl(fds[i], F_GETFD) >= 0) << i;
		_exit(fcntl(STDERR_FILENO, F_GETFD) < 0 ? 0 : open);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1 << 1 | 1 << 3);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
}

#define process_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		process_test(life),	   process_test(zombie),
		process_test(stubborn),	   process_test(no_program),
		process_test(inheritance), process_test(stale),
		process_test(torn),	   process_test(strangers),
		process_test(odd_name),	   process_test(mark),
		process_test(detach),	   process_test(usual_limit),
		process_test(keeping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
