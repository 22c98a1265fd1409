// SPDX-License-Identifier: MIT
/*
 * To be preloaded into vmfork: one of the TAPs that it makes is refused.
 *
 *	TAPLESS_AT	which: 1 for the first
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...)
{
	const char *at = getenv("TAPLESS_AT");
	static atomic_int made;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == TUNSETIFF && at && ++made == atoi(at)) {
		errno = ENFILE;
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}
