// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "client.h"
#include "log.h"
#include "monotonic.h"
#include "statedir.h"
#include "status.h"

#define EXEC_FAILED 127

/* Return: 0 with the document in @json, -errno */
static int status_read(char *json, size_t size)
{
	size_t len = 0;
	ssize_t got;
	int fd;

	fd = open(STATUS_DIR "/" STATUS_JSON, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		got = read(fd, json + len, size - 1 - len);
		if (got > 0)
			len += (size_t)got;
	} while (got > 0 && len < size - 1);
	close(fd);
	json[len] = '\0';
	return got < 0 || json[0] != '{' ? -EIO : 0;
}

static int status_print(const char *json)
{
	bool running = statedir_is_locked(STATUS_DIR);

	printf("{\"running\":%s,%s", running ? "true" : "false", json + 1);
	return fflush(stdout) ? 1 : 0;
}

static int no_status(int ret)
{
	log_line(LOG_ERROR, STATUS_DIR "/" STATUS_JSON ": %s%s", strerror(-ret),
		 ret == -ENOENT ? " (has the agent run?)" : "");
	return 1;
}

int client_status(void)
{
	char json[STATUS_SIZE];
	int ret = status_read(json, sizeof(json));

	return ret < 0 ? no_status(ret) : status_print(json);
}

bool client_parse_generation(const char *json, uint64_t *generation)
{
	static const char key[] = "\"generation\":";
	const char *at = strstr(json, key);
	char *end;

	if (!at)
		return false;
	at += sizeof(key) - 1;
	errno = 0;
	*generation = strtoull(at, &end, 10);
	return end != at && !errno;
}

bool client_is_settled(const char *json)
{
	return strstr(json, "\"settled\":true") != NULL;
}

/* Return: 0 if something happened in the directory, -ETIMEDOUT, -errno */
static int directory_wait(int fd, uint64_t end_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t now = monotonic_ns();
	char events[4096];
	int ret, timeout_ms = -1;

	if (end_ns) {
		if (now >= end_ns)
			return -ETIMEDOUT;
		timeout_ms = (int)((end_ns - now) / NS_PER_MS) + 1;
	}
	ret = poll(&pfd, 1, timeout_ms);
	if (ret < 0)
		return errno == EINTR ? 0 : -errno;
	if (ret > 0 && read(fd, events, sizeof(events)) < 0)
		return -errno;
	return 0;
}

/* Return: -1 to go on waiting, or an exit code */
static int status_look(struct client_wait *wait)
{
	char json[STATUS_SIZE];
	int ret = status_read(json, sizeof(json));
	uint64_t now;

	if (ret < 0)
		return ret == -ENOENT ? -1 : no_status(ret);
	if (!client_parse_generation(json, &now))
		return -1;
	if (!wait->has_generation) {
		wait->has_generation = true;
		wait->generation = now;
	}
	if (now == wait->generation ||
	    (wait->is_settled && !client_is_settled(json)))
		return -1;
	if (!wait->exec)
		return status_print(json);
	execvp(wait->exec[0], wait->exec);
	log_line(LOG_ERROR, "%s: %s", wait->exec[0], strerror(errno));
	return EXEC_FAILED;
}

/* Watch first, read then: a change in between is not missed. */
static int restore_wait(int fd, struct client_wait *wait, uint64_t end_ns)
{
	int ret, code;

	do {
		code = status_look(wait);
		if (code >= 0)
			return code;
		ret = directory_wait(fd, end_ns);
	} while (!ret);
	log_line(LOG_ERROR, "wait: %s",
		 ret == -ETIMEDOUT ? "no restore in that time"
				   : strerror(-ret));
	return 1;
}

int client_wait(const struct client_wait *wait)
{
	struct client_wait at = *wait;
	uint64_t end_ns = 0;
	int fd, ret;

	if (wait->timeout_s != CLIENT_FOREVER)
		end_ns = monotonic_ns() + (uint64_t)wait->timeout_s * NS_PER_S;
	fd = inotify_init1(IN_CLOEXEC);
	if (fd < 0 ||
	    inotify_add_watch(fd, STATUS_DIR, IN_MOVED_TO | IN_ONLYDIR) < 0)
		ret = no_status(-errno);
	else
		ret = restore_wait(fd, &at, end_ns);
	if (fd >= 0)
		close(fd);
	return ret;
}
