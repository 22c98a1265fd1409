// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conffile.h"
#include "fdio.h"

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
	ret = fdio_write(fd, text, len);
	if (!ret && (fchown(fd, st->st_uid, st->st_gid) < 0 ||
		     fchmod(fd, st->st_mode & 07777) < 0))
		ret = -errno;
	/* or a crash may find the new name with nothing in it */
	if (!ret && fdatasync(fd) < 0)
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
	ret = fdio_write(fd, text, len);
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

/* Return: the file's bytes, to be freed, or NULL; @len: how many, or -errno */
static char *file_read(int root_fd, const char *path, size_t room, ssize_t *len)
{
	char *text = NULL;
	struct stat st;
	int fd;

	*len = plain_stat(root_fd, path, &st);
	if (!*len && st.st_size > CONFFILE_MAX)
		*len = -EFBIG;
	if (*len < 0)
		return NULL;
	fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		text = malloc((size_t)st.st_size + room);
	*len = text ? fdio_read(fd, text, (size_t)st.st_size) : -errno;
	if (fd >= 0)
		close(fd);
	if (*len < 0) {
		free(text);
		return NULL;
	}
	return text;
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
	ssize_t got;
	/* the last line may lack its newline, and the text brings its NUL */
	char *all = file_read(root_fd, path, more + 2, &got);
	int ret;

	if (!all)
		return (int)got;
	len = lines_drop(all, (size_t)got, drop);
	memcpy(all + len, text, more + 1);
	ret = conffile_write(root_fd, path, all, len + more);
	free(all);
	return ret;
}
