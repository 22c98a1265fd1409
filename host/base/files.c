// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

#include "base/files.h"

/*
 * A few descriptors stay where they are: a larger table costs each fork(2). Most
 * of the low numbers are for what threads have open for a moment: sixty of them
 * starting engines have hundreds.
 */
#define LOW_MAX (FD_SETSIZE / 8)

void files_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void files_usual(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur <= FD_SETSIZE)
		return;
	limit.rlim_cur = FD_SETSIZE;
	setrlimit(RLIMIT_NOFILE, &limit);
}

unsigned int files_left(void)
{
	int next = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	struct rlimit limit;

	if (next < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	close(next);
	/* a kernel has fewer than an int can count */
	if (limit.rlim_cur > FD_SETSIZE * FD_SETSIZE)
		limit.rlim_cur = FD_SETSIZE * FD_SETSIZE;
	return (unsigned int)limit.rlim_cur - (unsigned int)next;
}

void files_lift(int *fd)
{
	int high;

	if (*fd < LOW_MAX || *fd >= FD_SETSIZE)
		return;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, FD_SETSIZE);
	if (high < 0)
		return;
	close(*fd);
	*fd = high;
}
