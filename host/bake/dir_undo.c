// SPDX-License-Identifier: MIT
/*
 * The way back of a directory. It starts from any state that a killed command
 * may have left, so each step looks first whether it is still to be done.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "bake/baked.h"
#include "bake/dir.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "crc32c.h"

static int drop(int above_fd, const char *name, int flags)
{
	return unlinkat(above_fd, name, flags) < 0 && errno != ENOENT ? -errno
								      : 0;
}

/* Is the file that is there the one that we made? */
static bool is_ours(const json_t *item, const char *buf, size_t len)
{
	return json_integer_value(json_object_get(item, "crc")) ==
	       crc32c(0, buf, len);
}

int dir_rewrite(int above_fd, const char *name, const struct stat *like,
		const void *buf, size_t len)
{
	const struct timespec at[2] = { like->st_atim, like->st_mtim };
	int ret = drop(above_fd, DIR_TMP, 0);
	__close int fd = -1;

	if (ret < 0)
		return ret;
	fd = openat(above_fd, DIR_TMP,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ret = fd < 0 ? -errno : vf_write_all(fd, buf, len);
	if (!ret &&
	    (fchown(fd, like->st_uid, like->st_gid) < 0 ||
	     fchmod(fd, like->st_mode & 07777) < 0 || futimens(fd, at) < 0 ||
	     fsync(fd) < 0 || renameat(above_fd, DIR_TMP, above_fd, name) < 0))
		ret = -errno;
	return ret;
}

/* Somebody changed it since: his changes stay, without what was added. */
static int cut(int above_fd, const char *name, const json_t *item, char *buf,
	       size_t len)
{
	struct stat st;

	if (!baked_item_cut(item, buf, &len))
		return 0;
	if (fstatat(above_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return dir_rewrite(above_fd, name, &st, buf, len);
}

/* Return: 1 if both names are of one file, 0 if not or if one is missing */
static int is_same(int a_fd, const char *a, int b_fd, const char *b)
{
	struct stat x, y;

	return fstatat(a_fd, a, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(b_fd, b, &y, AT_SYMLINK_NOFOLLOW) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/*
 * Without a file that was kept there is either nothing to do, nothing was replaced
 * then, or somebody removed it.
 */
static int restore_from(struct dir *dir, int above_fd, const char *name,
			int kept_fd, const char *kept, const json_t *item,
			struct vf_err *err)
{
	const char *path = baked_item_path(item);
	struct view *view = &dir->target.view;
	__free char *buf = NULL;
	size_t len;
	int ret = view->ops->read(view, path, PLAN_FILE_MAX, &buf, &len, err);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	if (kept && is_ours(item, buf, len))
		ret = renameat(kept_fd, kept, above_fd, name) < 0 ? -errno : 0;
	else
		ret = cut(above_fd, name, item, buf, len);
	return ret < 0 && ret != -ENOENT ? vf_err_errno(err, ret, "/%s", path)
					 : 0;
}

static int restore(struct dir *dir, int above_fd, const char *name,
		   const json_t *item, struct vf_err *err)
{
	const char *path = baked_item_path(item), *kept;
	__close int kept_fd = dir_above(dir, baked_item_kept(item), &kept);
	struct stat st;
	int ret = kept_fd;

	if (ret >= 0)
		ret = fstatat(kept_fd, kept, &st, AT_SYMLINK_NOFOLLOW) < 0
			      ? -errno
			      : 0;
	if (ret < 0 && ret != -ENOENT)
		return vf_err_errno(err, ret, "/%s", baked_item_kept(item));
	if (ret < 0 || !S_ISREG(st.st_mode))
		return restore_from(dir, above_fd, name, -1, NULL, item, err);
	if (!is_same(above_fd, name, kept_fd, kept))
		ret = restore_from(dir, above_fd, name, kept_fd, kept, item,
				   err);
	if (ret < 0)
		return ret;
	ret = drop(kept_fd, kept, 0);
	return ret < 0 ? vf_err_errno(err, ret, "/%s", path) : 0;
}

static int take_dir(int above_fd, const char *name, const char *path,
		    json_t *left, struct vf_err *err)
{
	int ret = drop(above_fd, name, AT_REMOVEDIR);

	if (ret == -ENOTEMPTY && left)
		json_array_append_new(left, json_sprintf("/%s", path));
	if (ret < 0 && ret != -ENOTEMPTY)
		return vf_err_errno(err, ret, "/%s", path);
	return 0;
}

int dir_take(struct dir *dir, const json_t *item, json_t *left,
	     struct vf_err *err)
{
	const char *path = baked_item_path(item), *name;
	__close int fd = dir_above(dir, path, &name);
	int ret;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return vf_err_errno(err, fd, "/%s", path);
	if (!strcmp(baked_item_type(item), "dir"))
		return take_dir(fd, name, path, left, err);
	ret = drop(fd, DIR_TMP, 0);
	if (ret < 0)
		return vf_err_errno(err, ret, "/%s", path);
	if (baked_item_text(item))
		return restore(dir, fd, name, item, err);
	/* all were looked at before, some time ago */
	ret = baked_item_check(item, &dir->target.view, err);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	ret = drop(fd, name, 0);
	return ret < 0 ? vf_err_errno(err, ret, "/%s", path) : 0;
}

int dir_take_back(struct dir *dir, const json_t *manifest, json_t *left,
		  struct vf_err *err)
{
	const json_t *items = baked_items(manifest);
	int ret = baked_check(manifest, &dir->target.view, err);

	for (size_t i = json_array_size(items); !ret && i > 0; i--)
		ret = dir_take(dir, json_array_get(items, i - 1), left, err);
	return ret;
}
