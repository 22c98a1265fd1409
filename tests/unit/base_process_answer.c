// SPDX-License-Identifier: MIT
// time: 60
/* Programs that are run to their end: what they say, and what they are given. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/process.h"
#include "unit/scratch.h"

static int output(const char *command, char *out, size_t size)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	struct vf_err err;

	return process_output(argv, out, size, 500, &err);
}

static void outputs(void **state)
{
	struct vf_err err;
	char *argv[] = { (char *)"vmfork-no-such-program", NULL };
	char *much[] = { (char *)"printf", (char *)"7%0200000d", (char *)"0",
			 NULL };
	char out[8];
	int64_t start_us;

	(void)state;
	assert_int_equal(output("echo hello", out, sizeof(out)), 0);
	assert_string_equal(out, "hello\n");
	assert_int_equal(output("printf 123456789", out, sizeof(out)), 0);
	assert_string_equal(out, "1234567");
	assert_int_equal(output("exit 1", out, sizeof(out)), -EREMOTEIO);
	assert_int_equal(process_output(argv, out, sizeof(out), 500, &err),
			 -ENOENT);
	/* more than a pipe holds */
	assert_int_equal(process_output(much, out, sizeof(out), 30000, &err),
			 0);
	assert_string_equal(out, "7000000");
	start_us = vf_now_us();
	assert_int_equal(output("exec sleep 1000", out, sizeof(out)),
			 -ETIMEDOUT);
	assert_true(vf_now_us() - start_us < 5000000);
	/* closed its output, and goes on */
	start_us = vf_now_us();
	assert_int_equal(output("exec sleep 1000 >/dev/null", out, sizeof(out)),
			 -ETIMEDOUT);
	assert_true(vf_now_us() - start_us < 5000000);
}

/* The exit status is told as it is, and who is called back ends at once. */
static void answers(void **state)
{
	struct vf_err err;
	char *argv[] = { (char *)"sh", (char *)"-c", NULL, NULL };
	char out[8];
	int64_t start_us;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	argv[2] = (char *)"echo some; exit 3";
	assert_int_equal(
		process_answer(argv, out, sizeof(out), 5000, fds[0], &err), 3);
	assert_string_equal(out, "some\n");
	assert_int_equal(close(fds[1]), 0);
	argv[2] = (char *)"exec sleep 1000";
	start_us = vf_now_us();
	assert_int_equal(
		process_answer(argv, out, sizeof(out), 60000, fds[0], &err),
		-ECANCELED);
	assert_true(vf_now_us() - start_us < 15000000);
	assert_int_equal(close(fds[0]), 0);
}

/* Killed while it waits for a program: that ends, too, and all that it has open. */
static void answer_of_nobody(void **state)
{
	char *argv[] = { (char *)"sh", (char *)"-c",
			 (char *)"echo x >&9; exec sleep 1000", NULL };
	__close int rd = -1;
	struct vf_err err;
	char out[8], byte[2];
	int fds[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	rd = fds[0];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], 9);
		process_answer(argv, out, sizeof(out), 60000, -1, &err);
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read(rd, byte, 2), 2);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(vf_wait_readable(rd, -1, vf_now_us() + 30 * 1000000LL),
			 0);
	assert_int_equal(read(rd, byte, 1), 0);
}

/* Who runs the tests may have others ignored, and these a child inherits. */
static unsigned long long others_ignored(void)
{
	unsigned long long ignored = 0;
	__free char *status = NULL;
	struct vf_err err;

	assert_int_equal(vf_read_file(AT_FDCWD, "/proc/self/status", 8192,
				      &status, NULL, &err),
			 0);
	assert_int_equal(
		sscanf(strstr(status, "SigIgn:"), "SigIgn: %llx", &ignored), 1);
	return ignored & ~(1ULL << (SIGPIPE - 1));
}

/* What a command does about signals is not what a program expects. */
static void usual_signals(void **state)
{
	static const char command[] =
		"grep -E '^Sig(Blk|Ign)' /proc/self/status";
	__free char *log = NULL;
	struct process proc = { .pidfd = -1 };
	struct scratch dir;
	struct vf_err err;
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	char out[128], want[128];
	sigset_t set, old;

	(void)state;
	assert_int_equal(scratch_init(&dir), 0);
	snprintf(want, sizeof(want), "SigBlk:\t%016x\nSigIgn:\t%016llx\n", 0,
		 others_ignored());
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(process_output(argv, out, sizeof(out), 30000, &err),
			 0);
	assert_string_equal(out, want);
	assert_int_equal(
		process_spawn(&proc, dir.dir_fd, "log", argv, NULL, 0, &err),
		0);
	assert_int_equal(process_wait(&proc, 30000), 0);
	process_close(&proc);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(vf_read_file(dir.dir_fd, "log", 128, &log, NULL, &err),
			 0);
	assert_string_equal(log, want);
	scratch_exit(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outputs),
		cmocka_unit_test(answers),
		cmocka_unit_test(answer_of_nobody),
		cmocka_unit_test(usual_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
