// SPDX-License-Identifier: MIT
/* Linux, Documentation/admin-guide/cgroup-v2.rst: cgroup.freeze, cgroup.events */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "freeze.h"
#include "log.h"

int freeze_init(struct freeze *freeze, const char *cgroup)
{
	size_t len;
	int put;

	*freeze = (struct freeze){ 0 };
	if (!cgroup)
		return 0;
	put = snprintf(freeze->path, sizeof(freeze->path), "%s%s",
		       *cgroup == '/' ? "" : FREEZE_ROOT "/", cgroup);
	if (put < 0 || (size_t)put >= sizeof(freeze->path))
		return -ENAMETOOLONG;
	len = (size_t)put;
	while (len > 0 && freeze->path[len - 1] == '/')
		freeze->path[--len] = '\0';
	if (!len || !strcmp(freeze->path, FREEZE_ROOT) ||
	    strstr(freeze->path, "/.."))
		return -EINVAL;
	return 0;
}

static void freeze_close(struct freeze *freeze)
{
	if (!freeze->is_open)
		return;
	if (freeze->is_waiting)
		loop_del_fd(freeze->loop, freeze->events_fd);
	freeze->is_waiting = false;
	freeze->is_open = false;
	close(freeze->freeze_fd);
	close(freeze->events_fd);
}

static int open_in(const struct freeze *freeze, const char *name, int flags)
{
	char path[FREEZE_PATH_LEN + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", freeze->path, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Return: bytes read, with a NUL behind them, or -errno */
static int read_text(int fd, char *text, size_t size)
{
	ssize_t len = pread(fd, text, size - 1, 0);

	if (len < 0)
		return -errno;
	text[len] = '\0';
	return (int)len;
}

/* The line of version 2 is the one without a name: "0::/PATH". */
static const char *own_path(char *text)
{
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		return line + 3;
	}
	return "";
}

/* Who is below a frozen cgroup stands still as well, and we would for ever. */
static bool holds_us(const struct freeze *freeze)
{
	const char *path = freeze->path + strlen(FREEZE_ROOT), *ours;
	size_t len = strlen(path);
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	char text[4096] = "";
	int ret = fd < 0 ? -errno : read_text(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	if (ret < 0 ||
	    strncmp(freeze->path, FREEZE_ROOT "/", strlen(FREEZE_ROOT) + 1))
		return false;
	ours = own_path(text);
	return !strncmp(ours, path, len) && (ours[len] == '/' || !ours[len]);
}

/* Return: 0 if it is frozen, FREEZE_LATER if it is not yet, -errno */
static int freeze_check(const struct freeze *freeze)
{
	char text[256];
	int ret = read_text(freeze->events_fd, text, sizeof(text));

	if (ret < 0)
		return ret;
	return strstr(text, "frozen 1") ? 0 : FREEZE_LATER;
}

static void events_cb(void *arg, int fd, short revents)
{
	struct freeze *freeze = arg;
	int ret = freeze_check(freeze);

	(void)revents;
	if (ret == FREEZE_LATER)
		return;
	loop_del_fd(freeze->loop, fd);
	freeze->is_waiting = false;
	freeze->cb(freeze->arg, ret);
}

static int freeze_open(struct freeze *freeze)
{
	char real[FREEZE_PATH_LEN];

	/* by its own name, or it is not known whether we are in it */
	if (!realpath(freeze->path, real))
		return -errno;
	snprintf(freeze->path, sizeof(freeze->path), "%s", real);
	if (holds_us(freeze))
		return -EDEADLK;
	freeze->freeze_fd = open_in(freeze, "cgroup.freeze", O_RDWR);
	if (freeze->freeze_fd < 0)
		return freeze->freeze_fd;
	freeze->events_fd = open_in(freeze, "cgroup.events", O_RDONLY);
	if (freeze->events_fd < 0)
		close(freeze->freeze_fd);
	else
		freeze->is_open = true;
	return freeze->is_open ? 0 : freeze->events_fd;
}

int freeze_start(struct freeze *freeze, freeze_cb cb, void *arg)
{
	int ret;

	if (!freeze_is_configured(freeze))
		return 0;
	freeze_close(freeze); /* it may have been made anew meanwhile */
	ret = freeze_open(freeze);
	if (ret < 0)
		return ret;
	freeze->cb = cb;
	freeze->arg = arg;
	ret = write(freeze->freeze_fd, "1", 1) < 0 ? -errno
						   : freeze_check(freeze);
	/* it was read, so what changes from here on wakes us */
	if (ret == FREEZE_LATER) {
		int added = loop_add_fd_for(freeze->loop, freeze->events_fd,
					    POLLPRI, events_cb, freeze);

		freeze->is_waiting = !added;
		ret = added ? added : ret;
	}
	if (ret < 0)
		freeze_undo(freeze);
	return ret;
}

int freeze_undo(struct freeze *freeze)
{
	int ret = 0;

	if (!freeze->is_open)
		return 1;
	if (write(freeze->freeze_fd, "0", 1) < 0)
		ret = -errno;
	freeze_close(freeze);
	return ret == -ENODEV ? 0 : ret; /* the cgroup is gone */
}

void freeze_recover(struct freeze *freeze)
{
	char text[16];

	if (!freeze_is_configured(freeze))
		return;
	if (!freeze_open(freeze) &&
	    read_text(freeze->freeze_fd, text, sizeof(text)) > 0 &&
	    text[0] == '1') {
		freeze_undo(freeze);
		log_line(LOG_ERROR, "%s was left frozen: it goes on",
			 freeze->path);
	}
	freeze_close(freeze);
}
