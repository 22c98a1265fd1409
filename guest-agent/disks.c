// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "disks.h"
#include "log.h"

#define MOUNTS_MAX 512

/* Which devices are done with, held or not. */
struct freezing {
	struct disks *disks;
	unsigned int num_done;
	dev_t done[DISKS_MAX * 2];
};

/* Blanks, tabs, newlines and backslashes stand there as three octal digits. */
static void unescape(char *to, const char *from)
{
	unsigned int code;

	while (*from) {
		if (*from == '\\' && sscanf(from + 1, "%3o", &code) == 1) {
			*to++ = (char)code;
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

static bool has_option(const char *options, const char *option)
{
	size_t len = strlen(option);
	const char *at = options;

	while ((at = strstr(at, option))) {
		if ((at == options || at[-1] == ',') &&
		    (at[len] == ',' || !at[len]))
			return true;
		at += len;
	}
	return false;
}

int disks_parse(char *line, struct disks_mount *mount)
{
	char *save = NULL, *field[6], *word, *type, *options;
	unsigned int at_major, at_minor;

	line[strcspn(line, "\n")] = '\0';
	for (unsigned int i = 0; i < 6; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return -EBADMSG;
	}
	do {
		word = strtok_r(NULL, " ", &save);
	} while (word && strcmp(word, "-") != 0);
	type = strtok_r(NULL, " ", &save);
	strtok_r(NULL, " ", &save); /* what is mounted */
	options = strtok_r(NULL, " ", &save);
	if (!word || !type || !options ||
	    sscanf(field[2], "%u:%u", &at_major, &at_minor) != 2 ||
	    strlen(field[4]) >= sizeof(mount->path))
		return -EBADMSG;
	mount->dev = makedev(at_major, at_minor);
	unescape(mount->path, field[4]);
	/* btrfs makes up its numbers, and others for each subvolume */
	mount->has_own_dev = strcmp(type, "btrfs") != 0;
	mount->is_freezable = (at_major != 0 || !mount->has_own_dev) &&
			      has_option(options, "rw");
	return 0;
}

static bool is_done(const struct freezing *freezing, dev_t dev)
{
	for (unsigned int i = 0; i < freezing->num_done; i++) {
		if (freezing->done[i] == dev)
			return true;
	}
	return false;
}

static int note_done(struct freezing *freezing, dev_t dev)
{
	if (freezing->num_done ==
	    sizeof(freezing->done) / sizeof(freezing->done[0]))
		return -E2BIG;
	freezing->done[freezing->num_done++] = dev;
	return 0;
}

/* Return: 0 also where there is nothing to hold, -errno */
static int disk_hold(struct freezing *freezing, const struct disks_mount *mount)
{
	struct disks *disks = freezing->disks;
	struct stat st;
	int fd, ret;

	if (!mount->is_freezable || is_done(freezing, mount->dev))
		return 0;
	fd = open(mount->path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0; /* a file's own mount, or hidden below another */
	if (fstat(fd, &st) < 0 ||
	    (mount->has_own_dev && st.st_dev != mount->dev)) {
		close(fd);
		return 0;
	}
	ret = note_done(freezing, mount->dev);
	if (!ret && disks->num == DISKS_MAX)
		ret = -E2BIG;
	if (!ret && ioctl(fd, FIFREEZE, 0) < 0)
		ret = -errno;
	if (ret < 0) {
		close(fd);
		return ret == -EBUSY || ret == -EOPNOTSUPP ? 0 : ret;
	}
	disks->fds[disks->num++] = fd;
	return 0;
}

/* Return: how many rows, or -errno; they end with a NUL each, at @row */
static int rows_split(char *text, char *row[MOUNTS_MAX])
{
	char *save = NULL;
	int num = 0;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (num == MOUNTS_MAX)
			return -E2BIG;
		row[num++] = line;
	}
	return num;
}

/* The last mounted first: what is mounted from a file of another's is later. */
static int rows_freeze(struct freezing *freezing, char **row, int num)
{
	struct disks_mount mount;
	int ret = 0;

	while (!ret && num-- > 0) {
		if (disks_parse(row[num], &mount) < 0)
			continue;
		ret = disk_hold(freezing, &mount);
		if (ret < 0)
			log_line(LOG_ERROR, "%s: not frozen: %s", mount.path,
				 strerror(-ret));
	}
	return ret;
}

/* Return: the file's text, which the caller frees, or NULL with errno */
static char *file_read(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t size = 0;
	char *text = NULL;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

int disks_freeze(struct disks *disks, const int *spared,
		 unsigned int num_spared)
{
	struct freezing freezing = { .disks = disks };
	char *row[MOUNTS_MAX], *text = file_read("/proc/self/mountinfo");
	struct stat st;
	int ret;

	if (!text)
		return -errno;
	for (unsigned int i = 0; i < num_spared; i++) {
		if (!fstat(spared[i], &st))
			note_done(&freezing, st.st_dev);
	}
	ret = rows_split(text, row);
	if (ret >= 0)
		ret = rows_freeze(&freezing, row, ret);
	free(text);
	if (ret < 0)
		disks_thaw(disks);
	return ret;
}

int disks_thaw(struct disks *disks)
{
	int ret = disks->num ? 0 : 1;

	while (disks->num > 0) {
		int fd = disks->fds[--disks->num];

		/* EINVAL: somebody else has let it go */
		if (ioctl(fd, FITHAW, 0) < 0 && errno != EINVAL && !ret)
			ret = -errno;
		close(fd);
	}
	return ret;
}
