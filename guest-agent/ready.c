// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "ready.h"

#define VARIABLE    "NOTIFY_SOCKET"
#define VARIABLE_FD "NOTIFY_FD"
#define MESSAGE	    "READY=1"

static void address_parse(struct ready *ready, const char *path)
{
	size_t len = strlen(path);

	if (!len || len >= sizeof(ready->addr.sun_path))
		return;
	ready->addr.sun_family = AF_UNIX;
	memcpy(ready->addr.sun_path, path, len);
	/* an abstract name */
	if (*path == '@')
		ready->addr.sun_path[0] = '\0';
	ready->addr_len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static void number_parse(struct ready *ready, const char *number)
{
	char *end;
	long fd = strtol(number, &end, 10);

	if (*end || fd <= STDERR_FILENO || fd > INT_MAX)
		return;
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		log_line(LOG_ERROR, VARIABLE_FD ": %s", strerror(errno));
	else
		ready->fd = (int)fd;
}

void ready_init(struct ready *ready)
{
	const char *path = getenv(VARIABLE), *number = getenv(VARIABLE_FD);

	*ready = (struct ready){ 0 };
	if (path)
		address_parse(ready, path);
	if (number)
		number_parse(ready, number);
	unsetenv(VARIABLE);
	unsetenv(VARIABLE_FD);
}

static void tell_socket(struct ready *ready)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 ||
	    sendto(fd, MESSAGE, strlen(MESSAGE), MSG_NOSIGNAL,
		   (struct sockaddr *)&ready->addr, ready->addr_len) < 0)
		log_line(LOG_ERROR, VARIABLE ": %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	ready->addr_len = 0;
}

static void tell_fd(struct ready *ready)
{
	if (write(ready->fd, "\n", 1) < 0)
		log_line(LOG_ERROR, VARIABLE_FD ": %s", strerror(errno));
	close(ready->fd);
	ready->fd = 0;
}

void ready_tell(struct ready *ready)
{
	if (ready->addr_len)
		tell_socket(ready);
	if (ready->fd)
		tell_fd(ready);
}
