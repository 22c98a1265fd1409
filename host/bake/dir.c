// SPDX-License-Identifier: MIT
/* A directory as a target: looking into it, and putting things there. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "bake/baked.h"
#include "bake/dir.h"
#include "bake/dir_replace.h"
#include "bake/journal.h"
#include "bake/lock.h"
#include "base/cleanup.h"
#include "base/io.h"

int dir_at(const struct dir *dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir->root_fd, *path ? path : ".", &how,
			  sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int dir_above(const struct dir *dir, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char above[PATH_MAX];

	snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) : 0,
		 path);
	*name = slash ? slash + 1 : path;
	return dir_at(dir, above, O_RDONLY | O_DIRECTORY);
}

static enum view_type type_of(mode_t mode)
{
	if (S_ISDIR(mode))
		return VIEW_DIR;
	if (S_ISREG(mode))
		return VIEW_FILE;
	return S_ISLNK(mode) ? VIEW_LINK : VIEW_OTHER;
}

static int look(struct view *view, const char *path, struct view_node *node,
		struct vf_err *err)
{
	struct dir *dir = (struct dir *)((char *)view -
					 offsetof(struct dir, target.view));
	__close int fd = dir_at(dir, path, O_PATH);
	struct stat st;
	ssize_t len;

	node->type = VIEW_NONE;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return vf_err_errno(err, fd < 0 ? fd : errno, "/%s", path);
	node->type = type_of(st.st_mode);
	node->mode = st.st_mode & 07777;
	node->uid = st.st_uid;
	node->gid = st.st_gid;
	node->mtime = st.st_mtim.tv_sec;
	if (node->type != VIEW_LINK)
		return 0;
	len = readlinkat(fd, "", node->target, sizeof(node->target) - 1);
	if (len < 0)
		return vf_err_errno(err, errno, "/%s", path);
	node->target[len] = '\0';
	return 0;
}

static int read_regular(int fd, const char *path, size_t max, char **out,
			size_t *len, struct vf_err *err)
{
	__free char *buf = NULL;
	struct stat st;
	int ret;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return vf_err_set(err, EINVAL, "/%s: not a regular file", path);
	if ((uint64_t)st.st_size > max)
		return vf_err_set(err, EFBIG, "/%s: larger than %zu bytes",
				  path, max);
	*len = (size_t)st.st_size;
	buf = calloc(1, *len + 1);
	ret = buf ? vf_pread_all(fd, buf, *len, 0) : -ENOMEM;
	if (ret < 0)
		return vf_err_errno(err, ret, "/%s", path);
	*out = vf_steal(&buf);
	return 0;
}

static int read_(struct view *view, const char *path, size_t max, char **out,
		 size_t *len, struct vf_err *err)
{
	struct dir *dir = (struct dir *)((char *)view -
					 offsetof(struct dir, target.view));
	/* a FIFO in its place must not keep us */
	__close int fd = dir_at(dir, path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return vf_err_errno(err, fd, "/%s", path);
	return read_regular(fd, path, max, out, len, err);
}

static const struct view_ops view_ops = { .look = look,
					  .read = read_,
					  .keeps = true };

static int own(int fd, const struct item *item)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid == item->uid && st.st_gid == item->gid)
		return 0;
	return fchown(fd, item->uid, item->gid) < 0 ? -errno : 0;
}

static int make_dir(int above_fd, const char *name, const struct item *item)
{
	__close int fd = -1;
	int ret;

	if (mkdirat(above_fd, name, 0700) < 0)
		return -errno;
	fd = openat(above_fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ret = fd < 0 ? -errno : own(fd, item);
	if (!ret && fchmod(fd, item->mode) < 0)
		ret = -errno;
	return ret;
}

static int make_file(int above_fd, const char *name, const struct item *item,
		     int64_t mtime)
{
	const struct timespec at[2] = { { .tv_sec = mtime },
					{ .tv_sec = mtime } };
	__close int fd = openat(
		above_fd, name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int ret = fd < 0 ? -errno : vf_write_all(fd, item->data, item->len);

	if (!ret)
		ret = own(fd, item);
	if (!ret && (fchmod(fd, item->mode) < 0 || futimens(fd, at) < 0))
		ret = -errno;
	/* its name may be on the disk before its contents are */
	return !ret && fsync(fd) < 0 ? -errno : ret;
}

/* The file that is there gets a second name, and loses its first at once. */
static int replace(struct dir *dir, int above_fd, const char *name,
		   const struct item *item)
{
	const char *kept;
	__close int kept_fd = dir_above(dir, item->kept, &kept);

	if (kept_fd < 0)
		return kept_fd;
	if (linkat(above_fd, name, kept_fd, kept, 0) < 0 ||
	    renameat(above_fd, DIR_TMP, above_fd, name) < 0)
		return -errno;
	return 0;
}

static int put_file(struct dir *dir, int above_fd, const char *name,
		    const struct item *item, int64_t mtime)
{
	int ret = make_file(above_fd, DIR_TMP, item, mtime);

	if (ret < 0)
		return ret;
	if (item->kept)
		return replace(dir, above_fd, name, item);
	/* unlike a rename, this never takes the place of something */
	if (linkat(above_fd, DIR_TMP, above_fd, name, 0) < 0 ||
	    unlinkat(above_fd, DIR_TMP, 0) < 0)
		return -errno;
	return 0;
}

static int make_link(int above_fd, const char *name, const struct item *item,
		     int64_t mtime)
{
	const struct timespec at[2] = { { .tv_sec = mtime },
					{ .tv_sec = mtime } };

	if (symlinkat(item->data, above_fd, name) < 0 ||
	    fchownat(above_fd, name, item->uid, item->gid,
		     AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(above_fd, name, at, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

int dir_make(const struct item *item, int above_fd, const char *name,
	     int64_t mtime)
{
	switch (item->type) {
	case ITEM_DIR:
		return make_dir(above_fd, name, item);
	case ITEM_FILE:
		return make_file(above_fd, name, item, mtime);
	case ITEM_LINK:
		return make_link(above_fd, name, item, mtime);
	case ITEM_NUM:
		break;
	}
	return -EINVAL;
}

static int put(struct dir *dir, const struct item *item, int64_t mtime,
	       struct vf_err *err)
{
	const char *name;
	__close int fd = dir_above(dir, item->path, &name);
	int ret = fd;

	if (fd >= 0 && item->type == ITEM_FILE)
		ret = put_file(dir, fd, name, item, mtime);
	else if (fd >= 0)
		ret = dir_make(item, fd, name, mtime);
	return ret < 0 ? vf_err_errno(err, ret, "/%s", item->path) : 0;
}

int dir_age(struct dir *dir, const json_t *manifest, struct vf_err *err)
{
	struct timespec at[2] = { { 0 } };
	const json_t *item;
	struct view_node node;
	size_t i;
	int ret = look(&dir->target.view,
		       json_string_value(json_object_get(manifest, "manifest")),
		       &node, err);

	/* what somebody else removed has no time */
	if (ret < 0 || node.type == VIEW_NONE)
		return ret;
	at[0].tv_sec = node.mtime;
	at[1].tv_sec = node.mtime;
	json_array_foreach(baked_items(manifest), i, item) {
		const char *path = baked_item_path(item);
		__close int fd = -1;

		if (strcmp(baked_item_type(item), "dir") != 0)
			continue;
		fd = dir_at(dir, path, O_RDONLY | O_DIRECTORY);
		/* it may say so of what is none */
		if (dir_is_nowhere(fd))
			continue;
		if (fd < 0 || futimens(fd, at) < 0)
			return vf_err_errno(err, fd < 0 ? fd : errno, "/%s",
					    path);
	}
	return 0;
}

static int apply(struct target *target, struct plan *plan, struct vf_err *err)
{
	struct dir *dir = dir_of(target);
	__json json_t *journal = NULL;
	struct vf_err back;
	int ret = journal_begin(dir, plan->manifest, NULL, &journal, err);

	for (size_t i = 0; !ret && i < plan->num; i++)
		ret = put(dir, &plan->items[i], plan->mtime, err);
	if (!ret)
		ret = dir_age(dir, plan->manifest, err);
	if (!ret)
		ret = journal_end(dir, journal, err);
	if (ret < 0 && journal &&
	    (dir_take_back(dir, plan->manifest, NULL, &back) < 0 ||
	     journal_end(dir, journal, &back) < 0))
		vf_err_hint(err,
			    "what is there of it goes with 'vmfork bake "
			    "--remove': it could not be taken back (%.120s)",
			    back.msg);
	return ret;
}

static int undo(struct target *target, const json_t *manifest, json_t *left,
		struct vf_err *err)
{
	struct dir *dir = dir_of(target);
	__json json_t *journal = NULL;
	struct vf_err back;
	int ret = baked_check(manifest, &target->view, err);

	if (!ret)
		ret = journal_begin(dir, manifest, NULL, &journal, err);
	if (ret < 0) {
		if (journal)
			journal_end(dir, journal, &back);
		return ret;
	}
	/* each step looks what is still to be done, so a fault may have passed */
	for (int i = 0; i < 2; i++) {
		json_array_clear(left);
		ret = dir_take_back(dir, manifest, left, err);
		if (!ret)
			ret = journal_end(dir, journal, err);
		if (!ret)
			return 0;
	}
	vf_err_hint(err, "the next 'vmfork bake' goes on taking it out");
	return ret;
}

static void close_(struct target *target)
{
	struct dir *dir = dir_of(target);

	if (dir->root_fd >= 0)
		close(dir->root_fd);
	if (dir->above_fd >= 0)
		close(dir->above_fd);
	free(dir);
}

static const struct target_ops ops = {
	.apply = apply,
	.undo = undo,
	.replace = dir_replace,
	.close = close_,
};

static int name_journal(struct dir *dir, const char *path, struct vf_err *err)
{
	char real[PATH_MAX];
	const char *name = realpath(path, real) ? strrchr(real, '/') + 1 : "";

	if (!*name) {
		vf_err_set(err, EINVAL, "the root of this very system");
		vf_err_hint(err, "install the agent's package here");
		return -EINVAL;
	}
	if (snprintf(dir->journal, sizeof(dir->journal), ".%s.vmfork-bake",
		     name) >= (int)sizeof(dir->journal) - 8)
		return vf_err_errno(err, ENAMETOOLONG, "%.128s", path);
	return 0;
}

/* What a command was doing that was killed. */
static int mend(struct dir *dir, struct vf_err *err)
{
	__json json_t *journal = NULL;
	int ret = lock_take(dir->root_fd, err);

	if (!ret)
		ret = journal_load(dir, &journal, err);
	if (ret < 0 || !journal)
		return ret;
	if (json_object_get(journal, "old"))
		return dir_replace_mend(dir, journal, err);
	ret = dir_take_back(dir, json_object_get(journal, "manifest"), NULL,
			    err);
	return ret ? ret : journal_end(dir, journal, err);
}

/* Who only looks goes on with nothing, whosever it is, but says so. */
static int look_for_journal(struct dir *dir, struct vf_err *err)
{
	__json json_t *journal = NULL;
	int ret = journal_find(dir, &journal, err);

	if (ret == -EPERM || ret == -ESTALE) {
		dir->target.unfinished = "beside it is a journal of another "
					 "user, or of another directory";
		return 0;
	}
	if (journal)
		dir->target.unfinished = "a command is changing it, or was "
					 "killed at that: the next one goes on";
	return ret;
}

int dir_open(struct target **out, const char *path, bool write,
	     struct vf_err *err)
{
	struct dir *dir = calloc(1, sizeof(*dir));
	int ret = dir ? 0 : vf_err_errno(err, ENOMEM, "%s", path);

	if (ret < 0)
		return ret;
	dir->target = (struct target){ .ops = &ops,
				       .kind = "directory",
				       .view.ops = &view_ops };
	dir->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir->above_fd = dir->root_fd < 0
				? -1
				: openat(dir->root_fd, "..",
					 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->above_fd < 0)
		ret = vf_err_set(err, errno, "%s", strerror(errno));
	if (!ret)
		ret = name_journal(dir, path, err);
	if (!ret)
		ret = write ? mend(dir, err) : look_for_journal(dir, err);
	if (ret < 0)
		close_(&dir->target);
	else
		*out = &dir->target;
	return ret;
}
