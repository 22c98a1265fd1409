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

/* Watch first, read then: a change in between is not missed. */
static int generation_wait(int fd, bool has_generation, uint64_t generation,
			   uint64_t end_ns)
{
	char json[STATUS_SIZE];
	uint64_t now;
	int ret;

	for (;;) {
		ret = status_read(json, sizeof(json));
		if (ret < 0 && ret != -ENOENT)
			return no_status(ret);
		if (!ret && client_parse_generation(json, &now)) {
			if (has_generation && now != generation)
				return status_print(json);
			generation = now;
			has_generation = true;
		}
		ret = directory_wait(fd, end_ns);
		if (ret < 0)
			break;
	}
	log_line(LOG_ERROR, "wait: %s",
		 ret == -ETIMEDOUT ? "no restore in that time"
				   : strerror(-ret));
	return 1;
}

int client_wait(bool has_generation, uint64_t generation, int timeout_s)
{
	uint64_t end_ns = 0;
	int fd, ret;

	if (timeout_s != CLIENT_FOREVER)
		end_ns = monotonic_ns() + (uint64_t)timeout_s * NS_PER_S;
	fd = inotify_init1(IN_CLOEXEC);
	if (fd < 0 ||
	    inotify_add_watch(fd, STATUS_DIR, IN_MOVED_TO | IN_ONLYDIR) < 0) {
		ret = no_status(-errno);
	} else {
		ret = generation_wait(fd, has_generation, generation, end_ns);
	}
	if (fd >= 0)
		close(fd);
	return ret;
}
