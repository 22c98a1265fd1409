// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"

#define COPY_CHUNK (16 << 20)
#define READ_FIRST (64 << 10) /* what most files fit into */

int64_t vf_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int vf_wait_readable(int fd, int cancel_fd, int64_t deadline_us)
{
	struct pollfd fds[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = cancel_fd, .events = POLLIN },
	};

	for (;;) {
		int64_t left_us = deadline_us - vf_now_us();
		int n = poll(fds, 2,
			     left_us > 0 ? (int)((left_us + 999) / 1000) : 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[1].revents)
			return -ECANCELED;
		if (n > 0)
			return 0;
		if (left_us <= 0)
			return -ETIMEDOUT;
	}
}

int vf_check_cancel(int cancel_fd)
{
	int ret = vf_wait_readable(-1, cancel_fd, 0);

	return ret == -ETIMEDOUT ? 0 : ret;
}

int vf_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int vf_pread_all(int fd, void *buf, size_t len, off_t offset)
{
	char *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

int vf_pwrite_all(int fd, const void *buf, size_t len, off_t offset)
{
	const char *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		p += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

/* More room, for one byte beyond what is accepted at most, and for the NUL. */
static int read_grow(char **buf, size_t *room, size_t max)
{
	size_t more = *room ? 2 * *room : READ_FIRST;
	char *new;

	if (more > max)
		more = max + 1;
	new = realloc(*buf, more + 1);
	if (!new)
		return -ENOMEM;
	*buf = new;
	*room = more;
	return 0;
}

int vf_read_file(int dir_fd, const char *path, size_t max, char **out,
		 size_t *len, struct vf_err *err)
{
	__close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	__free char *buf = NULL;
	size_t used = 0, room = 0;

	if (fd < 0)
		return vf_err_errno(err, errno, "%s", path);
	for (;;) {
		ssize_t n;

		if (used == room && read_grow(&buf, &room, max) < 0)
			return vf_err_errno(err, ENOMEM, "%s", path);
		n = read(fd, buf + used, room - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vf_err_errno(err, errno, "%s", path);
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max)
			return vf_err_set(err, EFBIG,
					  "%s: larger than %zu bytes", path,
					  max);
	}
	buf[used] = '\0';
	if (len)
		*len = used;
	*out = vf_steal(&buf);
	return 0;
}

int vf_write_file(int dir_fd, const char *name, const void *buf, size_t len,
		  bool durable, struct vf_err *err)
{
	__close int fd = -1;
	char tmp[NAME_MAX + 1];
	int ret;

	/* a fixed name: what a killed writer left is written over, not kept */
	ret = snprintf(tmp, sizeof(tmp), ".%s.tmp", name);
	if (ret >= (int)sizeof(tmp))
		return vf_err_errno(err, ENAMETOOLONG, "%s", name);
	fd = openat(dir_fd, tmp,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return vf_err_errno(err, errno, "%s", name);
	ret = vf_write_all(fd, buf, len);
	if (!ret && durable && fsync(fd) < 0)
		ret = -errno;
	if (!ret && renameat(dir_fd, tmp, dir_fd, name) < 0)
		ret = -errno;
	if (ret < 0) {
		unlinkat(dir_fd, tmp, 0);
		return vf_err_errno(err, ret, "%s", name);
	}
	if (durable && fsync(dir_fd) < 0)
		return vf_err_errno(err, errno, "%s", name);
	return 0;
}

/* Blocks are shared where both files lie on one file system, else copied. */
static int copy_contents(int from_fd, int to_fd)
{
	bool same = true;
	off_t offset = 0;

	for (;;) {
		ssize_t n =
			same ? copy_file_range(from_fd, &offset, to_fd, NULL,
					       COPY_CHUNK, 0)
			     : sendfile(to_fd, from_fd, &offset, COPY_CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && same && (errno == EXDEV || errno == EOPNOTSUPP)) {
			same = false;
			continue;
		}
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
	}
}

int vf_copy_file(int from_fd, int to_dir_fd, const char *to_name,
		 struct vf_err *err)
{
	__close int fd = openat(to_dir_fd, to_name,
				O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return vf_err_errno(err, errno, "%s", to_name);
	ret = copy_contents(from_fd, fd);
	if (ret < 0) {
		unlinkat(to_dir_fd, to_name, 0);
		return vf_err_errno(err, ret, "%s", to_name);
	}
	return 0;
}

int vf_sync_file(int dir_fd, const char *name, struct vf_err *err)
{
	__close int fd =
		openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fsync(fd) < 0)
		return vf_err_errno(err, errno, "%s", name);
	return 0;
}

int vf_mkdir_open(int dir_fd, const char *name, struct vf_err *err)
{
	int fd;

	if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
		return vf_err_errno(err, errno, "%s", name);
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vf_err_errno(err, errno, "%s", name);
	return fd;
}

int vf_remove_tree(int dir_fd, const char *name)
{
	__closedir DIR *dir = NULL;
	struct dirent *entry;
	int fd, ret = 0;

	fd = openat(dir_fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		ret = -errno;
		close(fd);
		return ret;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		/* somebody else may be removing it too */
		if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		ret = errno == EISDIR ? vf_remove_tree(fd, entry->d_name)
				      : -errno;
		if (ret < 0)
			return ret;
	}
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int vf_flock(int fd, int64_t deadline_us)
{
	/* flock() has no time limit, so it is tried again and again */
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (vf_now_us() > deadline_us)
			return -ETIMEDOUT;
		usleep(500);
	}
	return 0;
}

int vf_lock(int dir_fd, const char *name, int timeout_ms, struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + (int64_t)timeout_ms * 1000;
	__close int fd =
		openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return vf_err_errno(err, errno, "%s", name);
	ret = vf_flock(fd, deadline_us);
	if (ret == -ETIMEDOUT)
		return vf_err_set(err, ETIMEDOUT,
				  "%s: locked by another command", name);
	return ret < 0 ? vf_err_errno(err, ret, "%s", name) : vf_steal_fd(&fd);
}

int vf_random(void *buf, size_t len)
{
	/* up to 256 bytes it is never interrupted: getrandom(2) */
	return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -EIO;
}

bool vf_name_is_valid(const char *name, size_t max)
{
	size_t len = strlen(name);

	if (len < 1 || len > max || strchr("._-", name[0]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

char *vf_ascii(char *text)
{
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return text;
}

void vf_hex(char *out, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", p[i]);
}

int vf_unhex(void *buf, size_t len, const char *text)
{
	uint8_t *p = buf;

	if (strlen(text) != 2 * len ||
	    strspn(text, "0123456789abcdef") != 2 * len)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++)
		sscanf(text + 2 * i, "%2hhx", &p[i]);
	return 0;
}
