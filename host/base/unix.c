// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/unix.h"

#define RETRY_US 5000

static int open_socket(int dir_fd, const char *name, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%s",
		 dir_fd, name);
	return fd < 0 ? -errno : fd;
}

int vf_unix_connect(int dir_fd, const char *name, int cancel_fd,
		    int64_t deadline_us)
{
	struct sockaddr_un addr;
	__close int fd = open_socket(dir_fd, name, &addr);
	int flags, ret;

	if (fd < 0)
		return fd;
	flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int64_t now_us = vf_now_us();

		/* its queue is full; nothing tells when that ends */
		if (errno != EAGAIN)
			return -errno;
		if (now_us > deadline_us)
			return -ETIMEDOUT;
		ret = vf_wait_readable(cancel_fd, -1, now_us + RETRY_US);
		if (ret == 0)
			return -ECANCELED;
	}
	fcntl(fd, F_SETFL, flags);
	return vf_steal_fd(&fd);
}

int vf_unix_listen(int dir_fd, const char *name)
{
	struct sockaddr_un addr;
	__close int fd = open_socket(dir_fd, name, &addr);

	if (fd < 0)
		return fd;
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 1) < 0)
		return -errno;
	return vf_steal_fd(&fd);
}
