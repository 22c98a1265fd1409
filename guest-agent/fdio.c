// SPDX-License-Identifier: MIT
#include <errno.h>
#include <unistd.h>

#include "fdio.h"

int fdio_write(int fd, const void *buf, size_t len)
{
	const char *at = buf;

	while (len) {
		ssize_t done = write(fd, at, len);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			at += done;
			len -= (size_t)done;
		}
	}
	return 0;
}

ssize_t fdio_read(int fd, void *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got = read(fd, (char *)buf + len, size - len);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			break;
		if (got > 0)
			len += (size_t)got;
	}
	return (ssize_t)len;
}
