// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/unix.h"

static int open_socket(int dir_fd, const char *name, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%s",
		 dir_fd, name);
	return fd < 0 ? -errno : fd;
}

int vf_unix_connect(int dir_fd, const char *name)
{
	struct sockaddr_un addr;
	__close int fd = open_socket(dir_fd, name, &addr);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return vf_steal_fd(&fd);
}

int vf_unix_listen(int dir_fd, const char *name)
{
	struct sockaddr_un addr;
	__close int fd = open_socket(dir_fd, name, &addr);

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 1) < 0)
		return -errno;
	return vf_steal_fd(&fd);
}
