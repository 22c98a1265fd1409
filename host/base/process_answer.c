// SPDX-License-Identifier: MIT
/* Programs that are run to their end, for what they say. process.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/process.h"

#define TIDY_MS 20000

static int output_read(int fd, char *out, size_t size, int cancel_fd,
		       int64_t deadline_us)
{
	size_t used = 0;
	char beyond[512];
	ssize_t n;
	int ret;

	for (;;) {
		bool fits = used < size - 1;

		ret = vf_wait_readable(fd, cancel_fd, deadline_us);
		if (ret < 0)
			return ret;
		/* who cannot write what does not fit would never end */
		n = fits ? read(fd, out + used, size - 1 - used)
			 : read(fd, beyond, sizeof(beyond));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if (fits)
			used += (size_t)n;
		out[used] = '\0';
	}
}

/*
 * What the child does between fork and exec; reports errno through @status_fd. It
 * ends with its parent, however that ends: nobody would wait for what it does, and
 * what it has open would be in the way of the next one.
 */
static _Noreturn void child(pid_t parent, int out_fd, int status_fd,
			    char *const argv[])
{
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	process_signals_usual();
	if (out_fd == STDOUT_FILENO)
		fcntl(out_fd, F_SETFD, 0);
	else
		dup2(out_fd, STDOUT_FILENO);
	execvp(argv[0], argv);
	ret = -errno;
	(void)!write(status_fd, &ret, sizeof(ret));
	_exit(127);
}

/* @out_fd: what it says. Return: 0 or -errno */
static int start(struct process *proc, int *out_fd, char *const argv[])
{
	__close int rd = -1, wr = -1, status_rd = -1, status_wr = -1;
	pid_t parent = getpid();
	int fds[2], ret = 0;
	ssize_t len;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	rd = fds[0];
	wr = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	status_rd = fds[0];
	status_wr = fds[1];
	proc->pid = fork();
	if (proc->pid < 0)
		return -errno;
	if (proc->pid == 0)
		child(parent, wr, status_wr, argv);
	close(vf_steal_fd(&status_wr));
	/* ends as soon as exec closes the child's end */
	do
		len = read(status_rd, &ret, sizeof(ret));
	while (len < 0 && errno == EINTR);
	if (len == sizeof(ret))
		waitpid(proc->pid, NULL, 0);
	else
		*out_fd = vf_steal_fd(&rd);
	return ret;
}

int process_answer(char *const argv[], char *out, size_t size, int timeout_ms,
		   int cancel_fd, struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + (int64_t)timeout_ms * 1000;
	__close int rd = -1;
	struct process proc = { .pidfd = -1 };
	int ret, status = -1;

	out[0] = '\0';
	ret = start(&proc, &rd, argv);
	if (ret < 0)
		return vf_err_errno(err, ret, "%s", argv[0]);
	ret = process_open_own(&proc, proc.pid);
	if (!ret)
		ret = output_read(rd, out, size, cancel_fd, deadline_us);
	/* it may have closed its output and go on */
	if (!ret)
		ret = vf_wait_readable(proc.pidfd, cancel_fd, deadline_us);
	if (ret == -ECANCELED && kill(proc.pid, SIGTERM) == 0)
		vf_wait_readable(proc.pidfd, -1,
				 vf_now_us() + (int64_t)TIDY_MS * 1000);
	if (ret < 0)
		kill(proc.pid, SIGKILL);
	process_close(&proc);
	waitpid(proc.pid, &status, 0);
	/* the signal that calls us back may have ended it first */
	if (!ret && status)
		ret = vf_check_cancel(cancel_fd);
	if (ret < 0)
		return vf_err_errno(err, ret, "%s", argv[0]);
	if (!WIFEXITED(status))
		return vf_err_set(err, EREMOTEIO, "%s: failed", argv[0]);
	return WEXITSTATUS(status);
}

int process_output(char *const argv[], char *out, size_t size, int timeout_ms,
		   struct vf_err *err)
{
	int ret = process_answer(argv, out, size, timeout_ms, -1, err);

	return ret > 0 ? vf_err_set(err, EREMOTEIO, "%s: failed", argv[0])
		       : ret;
}
