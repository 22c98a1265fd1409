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
#include <string.h>

#include "bake/baked.h"
#include "bake/dir_replace.h"
#include "bake/dir_swap.h"
#include "bake/journal.h"
#include "base/cleanup.h"

static bool is_dir(const json_t *item)
{
	return !strcmp(baked_item_type(item), "dir");
}

/* Where one kind of thing takes the place of another, nothing is seamless. */
static bool is_alike(const json_t *was, const struct item *item)
{
	const char *kept = was ? baked_item_kept(was) : NULL;

	return !was || (is_dir(was) == (item->type == ITEM_DIR) &&
			(!kept || (item->kept && !strcmp(kept, item->kept))));
}

static int stage(struct dir *dir, const json_t *old, const struct item *item,
		 int64_t mtime, struct vf_err *err)
{
	const json_t *was = baked_item(old, item->path);
	char tmp[NAME_MAX + 1];
	const char *name;
	__close int fd = dir_above(dir, item->path, &name);
	int ret = fd;

	if (!is_alike(was, item)) {
		ret = vf_err_errno(err, EEXIST, "/%s", item->path);
		vf_err_hint(err, "take it out first, with 'vmfork bake "
				 "--remove'");
		return ret;
	}
	if (fd >= 0 && item->type != ITEM_DIR)
		ret = dir_swap_name(tmp, name);
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
	ret = dir_swap_name(tmp, name);
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

/* All is looked at first: better the old, all of it, than some of both. */
static int swap_check(struct dir *dir, const json_t *manifest,
		      const json_t *old, struct vf_err *err)
{
	const json_t *item;
	int ret = 0;
	size_t i;

	json_array_foreach(baked_items(manifest), i, item)
		if (!ret && !is_dir(item))
			ret = dir_swap_check(dir, old, item, err);
	json_array_foreach(baked_items(old), i, item) {
		if (ret || baked_item(manifest, baked_item_path(item)) ||
		    baked_item_text(item))
			continue;
		ret = baked_item_check(item, &dir->target.view, err);
		if (ret == -ENOENT)
			ret = 0;
		if (ret == -ESTALE)
			vf_err_hint(err, "put it back, or remove it, and try "
					 "again");
	}
	return ret;
}

/* What others have in directories of ours is theirs to keep. */
static int swap_all(struct dir *dir, const json_t *manifest, const json_t *old,
		    struct vf_err *err)
{
	const json_t *olds = baked_items(old), *item;
	int ret = swap_check(dir, manifest, old, err);
	size_t i;

	json_array_foreach(baked_items(manifest), i, item)
		if (!ret && !is_dir(item))
			ret = dir_swap(dir, old, item, err);
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

/*
 * The disk must not say that all is there when it is being dropped. If that cannot
 * be written, what it says is what is done.
 */
static int go_back(struct dir *dir, json_t **journal, struct vf_err *err)
{
	int ret = 0;

	if (journal_is_staged(*journal))
		ret = journal_unstaged(dir, *journal, err);
	if (ret < 0) {
		json_decref(*journal);
		ret = journal_load(dir, journal, err);
	}
	return ret || !*journal ? ret : dir_replace_mend(dir, *journal, err);
}

/* What others have by the names that are needed is theirs. */
static int names_check(const struct dir *dir, const struct plan *plan,
		       struct vf_err *err)
{
	for (size_t i = 0; i < plan->num; i++) {
		const char *path = plan->items[i].path, *name;
		__close int fd = -1;
		char tmp[NAME_MAX + 1];
		int ret;

		if (plan->items[i].type == ITEM_DIR)
			continue;
		fd = dir_above(dir, path, &name);
		ret = dir_swap_is_staged(fd, name, tmp);
		if (ret < 0)
			return vf_err_errno(err, ret, "/%s", path);
		if (!ret)
			continue;
		vf_err_set(err, EEXIST, "/%.*s%s: is in the way",
			   (int)(name - path), path, tmp);
		vf_err_hint(err, "remove it");
		return -EEXIST;
	}
	return 0;
}

int dir_replace(struct target *target, const json_t *old, struct plan *plan,
		struct vf_err *err)
{
	struct dir *dir = dir_of(target);
	__json json_t *journal = NULL;
	struct vf_err later;
	int ret = baked_check(old, &target->view, err);

	if (!ret)
		ret = names_check(dir, plan, err);
	if (!ret)
		ret = journal_begin(dir, plan->manifest, old, &journal, err);
	if (!ret)
		ret = stage_all(dir, old, plan, journal, err);
	if (ret < 0 && journal) {
		if (go_back(dir, &journal, &later) < 0)
			vf_err_hint(err, "the next 'vmfork bake' sees what is "
					 "there of it");
		else if (journal_is_staged(journal))
			ret = 0;
		return ret;
	}
	/* a fault may have passed */
	if (!ret && dir_replace_mend(dir, journal, &later) < 0)
		ret = dir_replace_mend(dir, journal, err);
	if (ret < 0 && journal && !*err->hint)
		vf_err_hint(err, "the next 'vmfork bake' goes on with it");
	return ret;
}
