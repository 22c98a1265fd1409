// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "bake/baked.h"
#include "bake/journal.h"
#include "base/cleanup.h"
#include "base/io.h"

#define JOURNAL_MAX (2 * BAKED_MAX)

static int time_add(struct dir *dir, json_t *times, const char *path,
		    struct vf_err *err)
{
	__close int fd = dir_at(dir, path, O_PATH | O_DIRECTORY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return vf_err_errno(err, fd < 0 ? fd : errno, "/%s", path);
	json_object_set_new(times, path,
			    json_pack("[I,I]", (json_int_t)st.st_mtim.tv_sec,
				      (json_int_t)st.st_mtim.tv_nsec));
	return 0;
}

/*
 * The time of a directory that is there already, once; one that is not there is
 * new, and what is old is in both.
 */
static int times_add(struct dir *dir, json_t *times, const json_t *sides[2],
		     const char *path, struct vf_err *err)
{
	const char *slash = strrchr(path, '/');
	char above[PATH_MAX];

	snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) : 0,
		 path);
	if (json_object_get(times, above) || baked_item(sides[0], above) ||
	    baked_item(sides[1], above))
		return 0;
	return time_add(dir, times, above, err);
}

/* Those of old directories are had again only if nothing new comes of it. */
static json_t *old_times(struct dir *dir, const json_t *old)
{
	json_t *times = json_object();
	const json_t *item;
	struct vf_err err;
	size_t i;

	/* what is gone, or something else, has none */
	json_array_foreach(baked_items(old), i, item)
		if (!strcmp(baked_item_type(item), "dir"))
			time_add(dir, times, baked_item_path(item), &err);
	return times;
}

/*
 * What tells this directory from another one of its name, also after a reboot: the
 * number of a device would not. When it was made not every file system knows.
 */
static json_t *root_id(const struct dir *dir)
{
	struct statx st = { 0 };

	if (statx(dir->root_fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME,
		  &st) < 0)
		return NULL;
	if (!(st.stx_mask & STATX_BTIME))
		st.stx_btime = (struct statx_timestamp){ 0 };
	return json_pack("[I,I,I]", (json_int_t)st.stx_ino,
			 (json_int_t)st.stx_btime.tv_sec,
			 (json_int_t)st.stx_btime.tv_nsec);
}

/*
 * The first change beneath an overlay makes its root anew, with another time at which
 * it was made: so one comes before that is noted, which changes nothing. Who may not
 * has what is there.
 */
static void root_settle(const struct dir *dir)
{
	struct timespec at[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;

	if (fstat(dir->root_fd, &st) < 0)
		return;
	at[1] = st.st_mtim;
	futimens(dir->root_fd, at);
}

/* None is written that could not be read again. */
static int save(struct dir *dir, const json_t *journal, struct vf_err *err)
{
	__free char *text = json_dumps(journal, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	int ret = text ? 0 : -ENOMEM;

	if (len > JOURNAL_MAX)
		ret = -EFBIG;
	if (ret < 0)
		vf_err_errno(err, ret, "%s", dir->journal);
	else
		ret = vf_write_file(dir->above_fd, dir->journal, text, len,
				    true, err);
	return ret < 0 ? vf_err_wrap(err, "the journal beside the directory")
		       : 0;
}

int journal_begin(struct dir *dir, const json_t *manifest, const json_t *old,
		  json_t **out, struct vf_err *err)
{
	const json_t *sides[] = { manifest, old }, *item;
	__json json_t *times = json_object();
	struct stat st;
	size_t side, i;
	int ret;

	*out = NULL;
	for (side = 0; side < ARRAY_SIZE(sides); side++)
		json_array_foreach(baked_items(sides[side]), i, item) {
			ret = times_add(dir, times, sides,
					baked_item_path(item), err);
			if (ret < 0)
				return ret;
		}
	root_settle(dir);
	*out = json_pack("{s:O,s:O,s:o,s:o,s:O*}", "manifest", manifest,
			 "times", times, "old-times", old_times(dir, old),
			 "root", root_id(dir), "old", old);
	if (!*out)
		return vf_err_errno(err, ENOMEM, "journal");
	ret = save(dir, *out, err);
	if (ret < 0 &&
	    fstatat(dir->above_fd, dir->journal, &st, AT_SYMLINK_NOFOLLOW) <
		    0 &&
	    errno == ENOENT) {
		json_decref(*out);
		*out = NULL;
	}
	return ret;
}

int journal_staged(struct dir *dir, json_t *journal, struct vf_err *err)
{
	json_object_set_new(journal, "staged", json_true());
	return save(dir, journal, err);
}

int journal_unstaged(struct dir *dir, json_t *journal, struct vf_err *err)
{
	json_object_del(journal, "staged");
	return save(dir, journal, err);
}

bool journal_is_staged(const json_t *journal)
{
	return json_is_true(json_object_get(journal, "staged"));
}

/* Beside the directory somebody else may write: what he left is not believed. */
static int journal_open(const struct dir *dir, struct vf_err *err)
{
	__close int fd = openat(dir->above_fd, dir->journal,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return vf_steal_fd(&fd);
	vf_err_set(err, EPERM, "%s beside it is not a journal of this user",
		   dir->journal);
	vf_err_hint(err, "run this as who began to bake into it; else remove "
			 "that");
	return -EPERM;
}

static int manifest_check(const json_t *json, struct vf_err *err)
{
	__free char *text = json_dumps(json, 0);
	__json json_t *manifest = NULL;

	return baked_parse(text ? text : "", text ? strlen(text) : 0, &manifest,
			   err);
}

static int journal_read(const struct dir *dir, int fd, json_t **out,
			struct vf_err *err)
{
	__json json_t *root = root_id(dir);
	__free char *text = NULL;
	char path[32];
	size_t len;
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = vf_read_file(AT_FDCWD, path, JOURNAL_MAX, &text, &len, err);
	if (ret < 0)
		return vf_err_wrap(err, "%s", dir->journal);
	*out = json_loadb(text, len, 0, NULL);
	if (*out && json_equal(json_object_get(*out, "root"), root))
		return 0;
	vf_err_set(err, ESTALE, "%s beside it is of another directory",
		   dir->journal);
	vf_err_hint(err, "put back the one in which a bake was killed; else "
			 "remove that");
	return -ESTALE;
}

int journal_find(const struct dir *dir, json_t **out, struct vf_err *err)
{
	__json json_t *json = NULL;
	__close int fd = journal_open(dir, err);
	int ret;

	*out = NULL;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	ret = journal_read(dir, fd, &json, err);
	if (ret < 0)
		return ret;
	ret = manifest_check(json_object_get(json, "manifest"), err);
	if (!ret && json_object_get(json, "old"))
		ret = manifest_check(json_object_get(json, "old"), err);
	if (ret < 0)
		return vf_err_wrap(err, "%s", dir->journal);
	*out = vf_steal(&json);
	return 0;
}

int journal_load(struct dir *dir, json_t **out, struct vf_err *err)
{
	char tmp[NAME_MAX + 8];

	/* of a writer that was killed: see vf_write_file() */
	snprintf(tmp, sizeof(tmp), ".%s.tmp", dir->journal);
	unlinkat(dir->above_fd, tmp, 0);
	return journal_find(dir, out, err);
}

static int time_restore(struct dir *dir, const char *path, json_t *time,
			struct vf_err *err)
{
	struct timespec at[2] = { { .tv_nsec = UTIME_OMIT } };
	json_int_t sec, nsec;
	__close int fd = -1;

	if ((*path && !path_is_plain(path)) ||
	    json_unpack(time, "[I,I]", &sec, &nsec) < 0)
		return vf_err_set(err, EBADMSG, "%s: damaged", dir->journal);
	fd = dir_at(dir, path, O_RDONLY | O_DIRECTORY);
	at[1].tv_sec = sec;
	at[1].tv_nsec = nsec;
	if (dir_is_nowhere(fd))
		return 0;
	if (fd < 0 || futimens(fd, at) < 0)
		return vf_err_errno(err, fd < 0 ? fd : errno, "/%s", path);
	return 0;
}

static int times_restore(struct dir *dir, json_t *times, struct vf_err *err)
{
	const char *path;
	json_t *time;
	int ret = 0;

	json_object_foreach(times, path, time)
		if (!ret)
			ret = time_restore(dir, path, time, err);
	return ret;
}

int journal_age_old(struct dir *dir, const json_t *journal, struct vf_err *err)
{
	return times_restore(dir, json_object_get(journal, "old-times"), err);
}

int journal_end(struct dir *dir, const json_t *journal, struct vf_err *err)
{
	int ret = times_restore(dir, json_object_get(journal, "times"), err);

	if (ret < 0)
		return ret;
	if (syncfs(dir->root_fd) < 0 ||
	    (unlinkat(dir->above_fd, dir->journal, 0) < 0 && errno != ENOENT))
		return vf_err_errno(err, errno, "%s", dir->journal);
	return 0;
}
