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
#include "status.h"

#define MOUNTS_MAX 512
#define RECORD_MAX (DISKS_MAX * (DISKS_PATH_LEN + 32))

/* Which devices are done with, held or not, and which must not be held. */
struct freezing {
	struct disks *disks;
	unsigned int num_done;
	unsigned int num_spared;
	dev_t done[DISKS_MAX * 2];
	dev_t spared[DISKS_SPARED_MAX];
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
	/* FUSE: to be opened is to ask a daemon, which may stand still by now */
	mount->is_freezable = (at_major != 0 || !mount->has_own_dev) &&
			      strncmp(type, "fuse", 4) != 0 &&
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

static bool is_spared(const struct freezing *freezing, dev_t dev)
{
	for (unsigned int i = 0; i < freezing->num_spared; i++) {
		if (freezing->spared[i] == dev)
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

void disks_init(struct disks *disks, int dir_fd)
{
	*disks = (struct disks){ .dir_fd = dir_fd, .record_fd = -1 };
}

/*
 * Before it is held, for the one who writes may be killed any time after.
 * Return: where the record ended, or -errno
 */
static off_t record_add(struct disks *disks, const struct stat *st,
			const char *path)
{
	char row[DISKS_PATH_LEN + 32];
	off_t end;
	int len;

	if (disks->record_fd < 0)
		disks->record_fd = openat(disks->dir_fd, DISKS_RECORD,
					  O_WRONLY | O_CREAT | O_TRUNC |
						  O_CLOEXEC | O_NOFOLLOW,
					  0600);
	if (disks->record_fd < 0)
		return -errno;
	end = lseek(disks->record_fd, 0, SEEK_END);
	len = snprintf(row, sizeof(row), "%u:%u %s", major(st->st_dev),
		       minor(st->st_dev), path);
	/* its end is the NUL: a path may hold all else */
	if (end < 0 || write(disks->record_fd, row, (size_t)len + 1) < 0)
		return -errno;
	return end;
}

static void record_remove(struct disks *disks)
{
	if (disks->record_fd < 0)
		return;
	unlinkat(disks->dir_fd, DISKS_RECORD, 0);
	close(disks->record_fd);
	disks->record_fd = -1;
}

/* Return: 0, -errno; with the record as it was */
static int disk_freeze(struct disks *disks, int fd, const struct stat *st,
		       const char *path)
{
	off_t end = record_add(disks, st, path);
	int ret;

	if (end < 0)
		log_line(LOG_ERROR, "%s: not written down: %s", path,
			 strerror((int)-end));
	if (!ioctl(fd, FIFREEZE, 0))
		return 0;
	ret = -errno;
	if (end >= 0 && ftruncate(disks->record_fd, end) < 0)
		log_line(LOG_ERROR, "%s: is written down: %s", path,
			 strerror(errno));
	return ret;
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
	if (is_spared(freezing, st.st_dev) || is_spared(freezing, mount->dev))
		ret = -EDEADLK;
	if (!ret && disks->num == DISKS_MAX)
		ret = -E2BIG;
	if (!ret)
		ret = disk_freeze(disks, fd, &st, mount->path);
	if (ret < 0) {
		close(fd);
		log_line(LOG_ERROR, "%s: not frozen: %s", mount->path,
			 ret == -EDEADLK ? "our log or " STATUS_DIR " is on it"
					 : strerror(-ret));
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
	for (unsigned int i = 0; i < num_spared && i < DISKS_SPARED_MAX; i++) {
		if (!fstat(spared[i], &st))
			freezing.spared[freezing.num_spared++] = st.st_dev;
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
	record_remove(disks);
	return ret;
}

/* A row of the record. What was mounted there since is left alone. */
static void row_recover(const char *row)
{
	unsigned int at_major, at_minor;
	int fd, skip = 0;
	struct stat st;

	if (sscanf(row, "%u:%u %n", &at_major, &at_minor, &skip) != 2 || !skip)
		return;
	fd = open(row + skip, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!fstat(fd, &st) && st.st_dev == makedev(at_major, at_minor) &&
	    !ioctl(fd, FITHAW, 0))
		log_line(LOG_ERROR, "%s was left frozen: it goes on",
			 row + skip);
	close(fd);
}

/* Return: the record's text, NUL behind it, which the caller frees, or NULL */
static char *record_read(const struct disks *disks, size_t *len)
{
	int fd = openat(disks->dir_fd, DISKS_RECORD,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st = { 0 };
	char *text = NULL;
	ssize_t got = -1;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size <= RECORD_MAX)
		text = calloc(1, (size_t)st.st_size + 1);
	if (text)
		got = read(fd, text, (size_t)st.st_size);
	close(fd);
	*len = got > 0 ? (size_t)got : 0;
	return text;
}

void disks_recover(const struct disks *disks)
{
	size_t len = 0;
	char *text = record_read(disks, &len);

	/* The last one first, as in disks_thaw(): others may lie on it. */
	for (size_t at = len; at > 0; at--) {
		if (at == 1 || !text[at - 2])
			row_recover(text + at - 1);
	}
	free(text);
	unlinkat(disks->dir_fd, DISKS_RECORD, 0);
}
