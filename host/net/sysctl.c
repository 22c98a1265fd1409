// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/sysctl.h"

int sysctl_set(const char *path, const char *value, struct vf_err *err)
{
	char old[16] = "";
	__close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return vf_err_errno(err, errno, "%s", path);
	len = read(fd, old, sizeof(old) - 1);
	if (len > 0 && !strncmp(old, value, strlen(value)) &&
	    old[strlen(value)] == '\n')
		return 0;
	close(fd);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return vf_err_errno(err, errno, "%s", path);
	return 1;
}

int sysctl_set_ip6(const char *link, const char *name, const char *value,
		   struct vf_err *err)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", link,
		 name);
	return sysctl_set(path, value, err);
}
