// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "statedir.h"
#include "status.h"

#define RECORD "state"

static const uint8_t record_magic[8] = { 'v', 'm', 'f', 's', 't', 'a', 't', 2 };

/*
 * A lock on the open file, which ends with its descriptor, and which others can
 * ask about without taking it: one that looks keeps no agent from starting.
 */
static int lock_take(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	return 0;
}

int statedir_open(struct statedir *dir, const char *path)
{
	int ret;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	dir->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->dir_fd < 0)
		return -errno;
	dir->lock_fd = openat(dir->dir_fd, STATUS_LOCK,
			      O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	ret = dir->lock_fd < 0 ? -errno : lock_take(dir->lock_fd);
	if (ret < 0) {
		if (dir->lock_fd >= 0)
			close(dir->lock_fd);
		close(dir->dir_fd);
	}
	return ret;
}

void statedir_close(struct statedir *dir)
{
	close(dir->lock_fd);
	close(dir->dir_fd);
}

bool statedir_is_locked(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char name[128];
	bool locked;
	int fd;

	snprintf(name, sizeof(name), "%s/" STATUS_LOCK, path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	locked = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return locked;
}

int statedir_write(const struct statedir *dir, const char *name, mode_t mode,
		   const void *buf, size_t len)
{
	const char *at = buf;
	char tmp[64];
	int fd, ret = 0;

	snprintf(tmp, sizeof(tmp), ".%s.tmp", name);
	fd = openat(dir->dir_fd, tmp,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, mode) < 0)
		ret = -errno;
	while (len && !ret) {
		ssize_t done = write(fd, at, len);

		if (done < 0 && errno != EINTR)
			ret = -errno;
		if (done > 0) {
			at += done;
			len -= (size_t)done;
		}
	}
	close(fd);
	if (!ret && renameat(dir->dir_fd, tmp, dir->dir_fd, name) < 0)
		ret = -errno;
	if (ret < 0)
		unlinkat(dir->dir_fd, tmp, 0);
	return ret;
}

int statedir_load(const struct statedir *dir, struct statedir_record *record)
{
	ssize_t len;
	int fd;

	fd = openat(dir->dir_fd, RECORD, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	len = read(fd, record, sizeof(*record));
	close(fd);
	if (len != sizeof(*record) ||
	    memcmp(record->magic, record_magic, sizeof(record_magic)) != 0 ||
	    record->crc32c !=
		    crc32c(0, record, offsetof(struct statedir_record, crc32c)))
		return -EBADMSG;
	return 0;
}

int statedir_save(const struct statedir *dir, struct statedir_record *record)
{
	memcpy(record->magic, record_magic, sizeof(record_magic));
	record->crc32c =
		crc32c(0, record, offsetof(struct statedir_record, crc32c));
	return statedir_write(dir, RECORD, 0644, record, sizeof(*record));
}
