// SPDX-License-Identifier: MIT
/*
 * To be preloaded into vmfork: at the moment that it sends its engine a certain
 * word, or before its N-th change of a file or start of a program, somebody is
 * killed. Changes are those that can be seen of a file that is replaced at once: it is
 * made, truncated, given owner, mode and time, brought to the disk, renamed, removed.
 * What is written comes between two of them.
 *
 *	STRIKE_WORD	the word
 *	STRIKE_AT	"before" it is sent, or "after"
 *	STRIKE_CALL	N, from 1 on
 *	STRIKE_LATE_MS	if that is the start of a program: how long the child takes
 *			to notice, all of vmfork's descriptors still open in it
 *	STRIKE_PID	whom to kill; if not set, who sends or calls
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What vmfork starts is not meant. */
__attribute__((constructor)) static void begin(void)
{
	unsetenv("LD_PRELOAD");
}

static void strike(pid_t self)
{
	const char *pid = getenv("STRIKE_PID");

	kill(pid ? (pid_t)strtol(pid, NULL, 10) : self, SIGKILL);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	const char *word = getenv("STRIKE_WORD"), *at = getenv("STRIKE_AT");
	bool hit = word && at && memmem(buf, len, word, strlen(word));
	ssize_t ret;

	if (hit && !strcmp(at, "before"))
		strike(getpid());
	ret = syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
	if (hit && !strcmp(at, "after"))
		strike(getpid());
	return ret;
}

static unsigned long number(const char *name)
{
	const char *word = getenv(name);

	return word ? strtoul(word, NULL, 10) : 0;
}

/* Return: true if this is the one */
static bool is_due(void)
{
	static unsigned long calls;

	return ++calls == number("STRIKE_CALL");
}

#define CHANGE(name, params, ...)                                           \
	int name params                                                     \
	{                                                                   \
		int(*real) params = (int(*) params)dlsym(RTLD_NEXT, #name); \
                                                                            \
		if (is_due())                                               \
			strike(getpid());                                   \
		return real(__VA_ARGS__);                                   \
	}

CHANGE(ftruncate, (int fd, off_t len), fd, len)
CHANGE(fchown, (int fd, uid_t uid, gid_t gid), fd, uid, gid)
CHANGE(fchmod, (int fd, mode_t mode), fd, mode)
CHANGE(futimens, (int fd, const struct timespec at[2]), fd, at)
CHANGE(fsync, (int fd), fd)
CHANGE(unlinkat, (int fd, const char *name, int flags), fd, name, flags)
CHANGE(renameat, (int from_fd, const char *from, int to_fd, const char *to),
       from_fd, from, to_fd, to)

int openat(int fd, const char *name, int flags, ...)
{
	int (*real)(int, const char *, int, ...) = (int (*)(
		int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (flags & O_CREAT && is_due())
		strike(getpid());
	return real(fd, name, flags, mode);
}

/* The child is there before its parent is killed. */
pid_t fork(void)
{
	pid_t (*real)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	pid_t parent = getpid(), child;
	bool due = is_due();

	child = real();
	if (!due || child)
		return due ? pause() : child;
	strike(parent);
	poll(NULL, 0, (int)number("STRIKE_LATE_MS"));
	return child;
}
