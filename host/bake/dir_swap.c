// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bake/baked.h"
#include "bake/dir_swap.h"
#include "base/cleanup.h"

/* A file that gets text, on the way. */
struct edit {
	struct dir *dir;
	const json_t *item;
	const json_t *was; /* that had text in it, or NULL */
	int above_fd;
	const char *name;
	const char *tmp; /* what takes its place */
	struct stat st;	 /* of what is there now */
	char *bare;	 /* and what is in there, without the old text */
	size_t len;
	bool had_text;
};

int dir_swap_name(char *out, const char *name)
{
	int len = snprintf(out, NAME_MAX + 1, ".%s" DIR_TMP, name);

	return len > NAME_MAX ? -ENAMETOOLONG : 0;
}

static int drop(int above_fd, const char *name)
{
	return unlinkat(above_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int dir_swap_is_staged(int above_fd, const char *name, char *tmp)
{
	struct stat st;
	int ret = above_fd < 0 ? above_fd : dir_swap_name(tmp, name);

	if (!ret && fstatat(above_fd, tmp, &st, AT_SYMLINK_NOFOLLOW) < 0)
		ret = -errno;
	if (dir_is_nowhere(ret))
		return 0;
	return ret < 0 ? ret : 1;
}

/* Return: 1 if nothing else is there than an item says, 0 if it is, or -errno */
static int is_as(const json_t *item, struct view *view, struct vf_err *err)
{
	int ret = item ? baked_item_check(item, view, err) : -ESTALE;

	if (!ret || ret == -ENOENT)
		return 1;
	return ret == -ESTALE ? 0 : ret;
}

int dir_swap_check(struct dir *dir, const json_t *old, const json_t *item,
		   struct vf_err *err)
{
	const char *path = baked_item_path(item), *name;
	__close int fd = dir_above(dir, path, &name);
	struct view *view = &dir->target.view;
	char tmp[NAME_MAX + 1];
	struct view_node node;
	int ret = dir_swap_is_staged(fd, name, tmp);

	if (ret < 0)
		return vf_err_errno(err, ret, "/%s", path);
	if (!ret)
		return 0;
	ret = view->ops->look(view, path, &node, err);
	if (ret < 0 || node.type == VIEW_NONE)
		return ret;
	if (baked_item_text(item))
		ret = node.type == VIEW_FILE;
	else
		ret = is_as(item, view, err)
			      ?: is_as(baked_item(old, path), view, err);
	if (ret)
		return ret < 0 ? ret : 0;
	vf_err_set(err, ESTALE, "/%s: changed since a bake began", path);
	vf_err_hint(err, "put it back, or remove it, and try again");
	return -ESTALE;
}

/* The other name has what it had already, or this file from now on. */
static int link_over(int from_fd, const char *from, int to_fd, const char *to)
{
	int ret = drop(to_fd, DIR_TMP);

	if (!ret && (linkat(from_fd, from, to_fd, DIR_TMP, 0) < 0 ||
		     renameat(to_fd, DIR_TMP, to_fd, to) < 0))
		ret = -errno;
	/* a rename leaves both names of one file */
	return ret ? ret : drop(to_fd, DIR_TMP);
}

/*
 * The file has its other name from before. If it is not as it was baked, what is
 * there without the old text is kept, and that has to be a file of its own.
 */
static int keep(const struct edit *edit, struct vf_err *err)
{
	const char *path = baked_item_kept(edit->item), *kept;
	__close int kept_fd = dir_above(edit->dir, path, &kept);
	int ret = -ESTALE;

	if (edit->was)
		ret = baked_item_check(edit->was, &edit->dir->target.view, err);
	if (ret != -ESTALE && ret != -ENOENT)
		return ret;
	ret = kept_fd;
	if (ret >= 0)
		ret = edit->had_text ? dir_rewrite(kept_fd, kept, &edit->st,
						   edit->bare, edit->len)
				     : link_over(edit->above_fd, edit->name,
						 kept_fd, kept);
	return ret < 0 ? vf_err_errno(err, ret, "/%s", path) : 0;
}

/* Return: 1 if what was made is of what is there now, 0 if not, -errno */
static int is_current(const struct edit *edit, struct vf_err *err)
{
	struct view *view = &edit->dir->target.view;
	const char *path = baked_item_path(edit->item);
	__free char *made = NULL;
	char beside[PATH_MAX];
	size_t len;
	int ret;

	snprintf(beside, sizeof(beside), "%.*s%s", (int)(edit->name - path),
		 path, edit->tmp);
	ret = view->ops->read(view, beside, PLAN_FILE_MAX, &made, &len, err);
	if (ret < 0)
		return ret;
	return baked_item_cut(edit->item, made, &len) && len == edit->len &&
	       !memcmp(made, edit->bare, len);
}

/* The old text goes, since nothing would know it any more. */
static int give_up(const struct edit *edit)
{
	int ret = 0;

	if (edit->had_text)
		ret = dir_rewrite(edit->above_fd, edit->name, &edit->st,
				  edit->bare, edit->len);
	return ret ? ret : drop(edit->above_fd, edit->tmp);
}

/* Return: 1 if the rest is a rename, 0 if there is none, -errno */
static int swap_text(struct edit *edit, struct vf_err *err)
{
	const char *path = baked_item_path(edit->item);
	struct view *view = &edit->dir->target.view;
	int ret = fstatat(edit->above_fd, edit->name, &edit->st,
			  AT_SYMLINK_NOFOLLOW) < 0
			  ? -errno
			  : 0;

	/* what somebody removed stays so; its other name has what it was */
	if (ret == -ENOENT)
		ret = drop(edit->above_fd, edit->tmp) ?: -ENOENT;
	if (ret < 0)
		return ret == -ENOENT ? 0 : vf_err_errno(err, ret, "/%s", path);
	ret = view->ops->read(view, path, PLAN_FILE_MAX, &edit->bare,
			      &edit->len, err);
	if (ret < 0)
		return ret;
	edit->had_text = edit->was &&
			 baked_item_cut(edit->was, edit->bare, &edit->len);
	ret = is_current(edit, err);
	if (ret < 0)
		return ret;
	if (ret)
		return keep(edit, err) ?: 1;
	ret = give_up(edit);
	return ret < 0 ? vf_err_errno(err, ret, "/%s", path) : 0;
}

int dir_swap(struct dir *dir, const json_t *old, const json_t *item,
	     struct vf_err *err)
{
	const char *path = baked_item_path(item), *name;
	const json_t *was = baked_item(old, path);
	__close int fd = dir_above(dir, path, &name);
	char tmp[NAME_MAX + 1];
	int ret = dir_swap_is_staged(fd, name, tmp);

	if (ret < 0)
		return vf_err_errno(err, ret, "/%s", path);
	if (ret && baked_item_text(item)) {
		struct edit edit = {
			.dir = dir,
			.item = item,
			.was = was && baked_item_text(was) ? was : NULL,
			.above_fd = fd,
			.name = name,
			.tmp = tmp,
		};

		ret = swap_text(&edit, err);
		free(edit.bare);
	}
	if (ret > 0 && renameat(fd, tmp, fd, name) < 0)
		return vf_err_errno(err, errno, "/%s", path);
	return ret < 0 ? ret : 0;
}
