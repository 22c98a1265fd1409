// SPDX-License-Identifier: MIT
/*
 * What was baked into a directory is replaced without a moment at which it is
 * gone. All that is new is made first, beside the old and under other names. Once
 * that is on the disk the journal says so: until then the new is dropped, from
 * then on each of it takes its place at once, and what is no longer wanted is taken
 * out. Whoever finds the journal of a killed command goes on from there, so each
 * step looks first whether it is still to be done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bake/baked.h"
#include "bake/dir.h"
#include "base/cleanup.h"

static int staged_name(char *out, const char *name)
{
	int len = snprintf(out, NAME_MAX + 1, ".%s" DIR_TMP, name);

	return len > NAME_MAX ? -ENAMETOOLONG : 0;
}

static bool is_dir(const json_t *item)
{
	return !strcmp(baked_item_type(item), "dir");
}

static int stage(struct dir *dir, const json_t *old, const struct item *item,
		 int64_t mtime, struct vf_err *err)
{
	const json_t *was = baked_item(old, item->path);
	char tmp[NAME_MAX + 1];
	const char *name;
	__close int fd = dir_above(dir, item->path, &name);
	int ret = fd;

	if (fd >= 0 && was && is_dir(was) != (item->type == ITEM_DIR))
		ret = -EEXIST;
	else if (fd >= 0 && item->type != ITEM_DIR)
		ret = staged_name(tmp, name);
	if (ret >= 0)
		ret = dir_make(item, fd, item->type == ITEM_DIR ? name : tmp,
			       mtime);
	if (ret == -EEXIST && was && is_dir(was) && item->type == ITEM_DIR)
		ret = 0;
	return ret < 0 ? vf_err_errno(err, ret, "/%s", item->path) : 0;
}

static int unstage(struct dir *dir, const json_t *old, const json_t *item,
		   struct vf_err *err)
{
	const char *path = baked_item_path(item), *name;
	__close int fd = dir_above(dir, path, &name);
	char tmp[NAME_MAX + 1];
	int ret;

	if (dir_is_nowhere(fd))
		return 0;
	if (fd < 0)
		return vf_err_errno(err, fd, "/%s", path);
	if (is_dir(item))
		return baked_item(old, path) ? 0
					     : dir_take(dir, item, NULL, err);
	ret = staged_name(tmp, name);
	/* a directory is none of ours */
	if (!ret && unlinkat(fd, tmp, 0) < 0 && errno != ENOENT &&
	    errno != EISDIR)
		ret = -errno;
	return ret < 0 ? vf_err_errno(err, ret, "/%s", path) : 0;
}

static int unstage_all(struct dir *dir, const json_t *journal,
		       const json_t *manifest, const json_t *old,
		       struct vf_err *err)
{
	const json_t *items = baked_items(manifest);
	int ret = 0;

	for (size_t i = json_array_size(items); !ret && i > 0; i--)
		ret = unstage(dir, old, json_array_get(items, i - 1), err);
	return ret ? ret : journal_age_old(dir, journal, err);
}

/*
 * The file that gets a line has its other name from before. If that is not as it
 * was baked, the old line is taken out of it first, and what that leaves is kept.
 */
static int keep(struct dir *dir, const json_t *old, const json_t *item,
		int above_fd, const char *name, struct vf_err *err)
{
	const char *path = baked_item_path(item), *kept;
	const json_t *was = baked_item(old, path);
	__close int kept_fd = dir_above(dir, baked_item_kept(item), &kept);
	struct vf_err why;
	int ret = 0;

	if (kept_fd < 0)
		return vf_err_errno(err, kept_fd, "/%s", baked_item_kept(item));
	if (was && baked_item_text(was) &&
	    !strcmp(baked_item_kept(was), baked_item_kept(item)) &&
	    baked_item_check(was, &dir->target.view, &why) == 0)
		return 0;
	if (was)
		ret = dir_take(dir, was, NULL, err);
	if (ret < 0)
		return ret;
	/* one that is there already was left by who was killed right here */
	if ((unlinkat(kept_fd, kept, 0) < 0 && errno != ENOENT) ||
	    linkat(above_fd, name, kept_fd, kept, 0) < 0)
		return vf_err_errno(err, errno, "/%s", path);
	return 0;
}

static int swap(struct dir *dir, const json_t *old, const json_t *item,
		struct vf_err *err)
{
	const char *path = baked_item_path(item), *name;
	__close int fd = dir_above(dir, path, &name);
	char tmp[NAME_MAX + 1];
	struct stat st;
	int ret = fd < 0 ? fd : staged_name(tmp, name);

	if (!ret && fstatat(fd, tmp, &st, AT_SYMLINK_NOFOLLOW) < 0)
		ret = -errno;
	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		return vf_err_errno(err, ret, "/%s", path);
	if (baked_item_text(item))
		ret = keep(dir, old, item, fd, name, err);
	if (ret < 0)
		return ret;
	return renameat(fd, tmp, fd, name) < 0
		       ? vf_err_errno(err, errno, "/%s", path)
		       : 0;
}

/* What others have in directories of ours is theirs to keep. */
static int swap_all(struct dir *dir, const json_t *manifest, const json_t *old,
		    struct vf_err *err)
{
	const json_t *olds = baked_items(old), *item;
	size_t i;
	int ret = 0;

	json_array_foreach(baked_items(manifest), i, item)
		if (!ret && !is_dir(item))
			ret = swap(dir, old, item, err);
	for (i = json_array_size(olds); !ret && i > 0; i--) {
		item = json_array_get(olds, i - 1);
		if (!baked_item(manifest, baked_item_path(item)))
			ret = dir_take(dir, item, NULL, err);
	}
	return ret ? ret : dir_age(dir, manifest, err);
}

int dir_replace_mend(struct dir *dir, const json_t *journal, struct vf_err *err)
{
	const json_t *manifest = json_object_get(journal, "manifest");
	const json_t *old = json_object_get(journal, "old");
	int ret = journal_is_staged(journal)
			  ? swap_all(dir, manifest, old, err)
			  : unstage_all(dir, journal, manifest, old, err);

	return ret ? ret : journal_end(dir, journal, err);
}

static int stage_all(struct dir *dir, const json_t *old,
		     const struct plan *plan, json_t *journal,
		     struct vf_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < plan->num; i++)
		ret = stage(dir, old, &plan->items[i], plan->mtime, err);
	if (!ret && syncfs(dir->root_fd) < 0)
		ret = vf_err_errno(err, errno, "sync");
	return ret ? ret : journal_staged(dir, journal, err);
}

int dir_replace(struct target *target, const json_t *old, struct plan *plan,
		struct vf_err *err)
{
	struct dir *dir = (struct dir *)target;
	__json json_t *journal = NULL;
	struct vf_err later;
	int ret = baked_check(old, &target->view, err);

	if (!ret)
		ret = journal_begin(dir, plan->manifest, old, &journal, err);
	if (!ret)
		ret = stage_all(dir, old, plan, journal, err);
	if (ret < 0 && journal) {
		json_object_del(journal, "staged");
		if (dir_replace_mend(dir, journal, &later) < 0)
			vf_err_hint(err, "the next 'vmfork bake' drops what is "
					 "there of it");
		return ret;
	}
	/* a fault may have passed */
	if (!ret && dir_replace_mend(dir, journal, &later) < 0)
		ret = dir_replace_mend(dir, journal, err);
	if (ret < 0)
		vf_err_hint(err, "the next 'vmfork bake' goes on with it");
	return ret;
}
