// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "ready.h"

#define VARIABLE    "NOTIFY_SOCKET"
#define VARIABLE_FD "NOTIFY_FD"
#define MESSAGE	    "READY=1"

static void tell(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd;

	if (!len || len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	/* an abstract name */
	if (*path == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    sendto(fd, MESSAGE, strlen(MESSAGE), MSG_NOSIGNAL,
		   (struct sockaddr *)&addr,
		   offsetof(struct sockaddr_un, sun_path) + (socklen_t)len) < 0)
		log_line(LOG_ERROR, VARIABLE ": %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void tell_fd(const char *number)
{
	char *end;
	long fd = strtol(number, &end, 10);

	if (*end || fd <= STDERR_FILENO || fd > INT_MAX)
		return;
	if (write((int)fd, "\n", 1) < 0)
		log_line(LOG_ERROR, VARIABLE_FD ": %s", strerror(errno));
	close((int)fd);
}

void ready_tell(void)
{
	const char *path = getenv(VARIABLE), *number = getenv(VARIABLE_FD);

	if (path)
		tell(path);
	if (number)
		tell_fd(number);
	/* hooks are not the service */
	unsetenv(VARIABLE);
	unsetenv(VARIABLE_FD);
}
