// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conffile.h"

#define PATH_SIZE 128

static int plain_stat(int root_fd, const char *path, struct stat *st)
{
	if (fstatat(root_fd, path, st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st->st_mode))
		return -ELOOP;
	return S_ISREG(st->st_mode) ? 0 : -EINVAL;
}

int conffile_is_plain(int root_fd, const char *path)
{
	struct stat st;

	return plain_stat(root_fd, path, &st);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			text += done;
			len -= (size_t)done;
		}
	}
	return 0;
}

/* A hidden file beside it. */
static void tmp_name(char tmp[PATH_SIZE], const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	snprintf(tmp, PATH_SIZE, "%.*s.%s.vmfork", (int)(base - path), path,
		 base);
}

static int file_replace(int root_fd, const char *path, const struct stat *st,
			const char *text, size_t len)
{
	char tmp[PATH_SIZE];
	int fd, ret;

	tmp_name(tmp, path);
	unlinkat(root_fd, tmp, 0); /* of an agent that was killed */
	fd = openat(root_fd, tmp,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, text, len);
	if (!ret && (fchown(fd, st->st_uid, st->st_gid) < 0 ||
		     fchmod(fd, st->st_mode & 07777) < 0))
		ret = -errno;
	close(fd);
	if (!ret && renameat(root_fd, tmp, root_fd, path) < 0)
		ret = -errno;
	if (ret < 0)
		unlinkat(root_fd, tmp, 0);
	return ret;
}

static int file_overwrite(int root_fd, const char *path, const char *text,
			  size_t len)
{
	int fd = openat(root_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write_all(fd, text, len);
	if (!ret && ftruncate(fd, (off_t)len) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int conffile_write(int root_fd, const char *path, const char *text, size_t len)
{
	struct stat st = { .st_mode = 0644 };
	int ret = plain_stat(root_fd, path, &st);
	bool is_new = ret == -ENOENT;

	if (ret < 0 && !is_new)
		return ret;
	ret = file_replace(root_fd, path, &st, text, len);
	/* a mount of its own, maybe over a directory that is read-only */
	if ((ret == -EBUSY || ret == -EROFS) && !is_new)
		ret = file_overwrite(root_fd, path, text, len);
	return ret;
}

/* Return: the file's length, with its bytes in @text, to be freed; -errno */
static ssize_t file_read(int root_fd, const char *path, size_t room,
			 char **text)
{
	size_t len = 0, size;
	struct stat st;
	ssize_t got;
	int fd, ret = plain_stat(root_fd, path, &st);

	if (ret < 0)
		return ret;
	if (st.st_size > CONFFILE_MAX)
		return -EFBIG;
	fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	size = (size_t)st.st_size;
	*text = malloc(size + room);
	ret = *text ? 0 : -ENOMEM;
	while (!ret && len < size) {
		got = read(fd, *text + len, size - len);
		if (got < 0 && errno != EINTR)
			ret = -errno;
		if (got == 0)
			break;
		if (got > 0)
			len += (size_t)got;
	}
	close(fd);
	if (ret < 0) {
		free(*text);
		return ret;
	}
	return (ssize_t)len;
}

/* Return: how long it is then; every line is ended, so at most one more byte */
static size_t lines_drop(char *text, size_t len, conffile_cb drop)
{
	size_t from = 0, to = 0;

	while (from < len) {
		char *end = memchr(text + from, '\n', len - from);
		size_t line = (end ? (size_t)(end - text) : len) - from;

		if (!drop(text + from, line)) {
			memmove(text + to, text + from, line);
			to += line;
			text[to++] = '\n';
		}
		from += line + 1;
	}
	return to;
}

int conffile_edit(int root_fd, const char *path, conffile_cb drop,
		  const char *text)
{
	size_t more = strlen(text), len;
	char *all = NULL;
	ssize_t got = file_read(root_fd, path, more + 1, &all);
	int ret;

	if (got < 0)
		return (int)got;
	len = lines_drop(all, (size_t)got, drop);
	memcpy(all + len, text, more);
	ret = conffile_write(root_fd, path, all, len + more);
	free(all);
	return ret;
}
