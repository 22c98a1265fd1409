// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/snapshot.h"
#include "core/stage.h"

#define STAGE_SUFFIX   ".stage"
#define BROKEN_FILE    "broken"
#define ENTER_TRIES    100
#define BREAK_TRIES    100 /* ten seconds in all */
#define BREAK_SLEEP_US 100000

int stage_check_name(const char *name, struct vf_err *err)
{
	if (vf_name_is_valid(name, VF_NAME_MAX))
		return 0;
	vf_err_set(err, EINVAL, "snapshot name '%.64s': invalid", name);
	vf_err_hint(err, VF_NAME_RULE_FMT, VF_NAME_MAX);
	return -EINVAL;
}

static void stage_path(char path[NAME_MAX + 1], const char *name)
{
	snprintf(path, NAME_MAX + 1, ".%s" STAGE_SUFFIX, name);
}

static int dir_open(const struct vf_state *state, const char *path)
{
	int fd = openat(state->snapshots_fd, path,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Is that what the name stands for? */
static bool is_there(const struct vf_state *state, const char *name, int fd)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 &&
	       fstatat(state->snapshots_fd, name, &there,
		       AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

int stage_enter(const struct vf_state *state, const char *name)
{
	/* whoever removes one hides it first: then there is none, or another */
	for (int i = 0; i < ENTER_TRIES; i++) {
		__close int fd = dir_open(state, name);

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
			if (is_there(state, name, fd))
				return vf_steal_fd(&fd);
		} else if (errno != EWOULDBLOCK) {
			return -errno;
		}
	}
	return -EBUSY;
}

/* Remove a hidden directory, unless somebody has entered it. */
static int hidden_remove(const struct vf_state *state, const char *path,
			 int64_t deadline_us)
{
	__close int fd = dir_open(state, path);
	int ret = fd < 0 ? fd : vf_flock(fd, deadline_us);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	return vf_remove_tree(state->snapshots_fd, path);
}

/* Give it a name that is nobody's. */
static int hide(const struct vf_state *state, const char *path,
		const char *name, char hidden[NAME_MAX + 1])
{
	uint64_t number;
	int ret = vf_random(&number, sizeof(number));

	if (ret < 0)
		return ret;
	snprintf(hidden, NAME_MAX + 1, ".%s.removed.%016" PRIx64, name, number);
	return renameat2(state->snapshots_fd, path, state->snapshots_fd, hidden,
			 RENAME_NOREPLACE) < 0
		       ? -errno
		       : 0;
}

int stage_hide(const struct vf_state *state, const char *name,
	       char hidden[NAME_MAX + 1], struct vf_err *err)
{
	int ret = hide(state, name, name, hidden);

	return ret < 0 ? vf_err_errno(err, ret, "snapshot %s", name) : 0;
}

int stage_bury(const struct vf_state *state, const char *hidden,
	       int64_t deadline_us, struct vf_err *err)
{
	int ret = hidden_remove(state, hidden, deadline_us);

	if (ret == -ETIMEDOUT) {
		vf_log(VF_LOG_INFO,
		       "snapshots: %s: is still read, 'vmfork gc' "
		       "removes it",
		       hidden + 1);
		return 0;
	}
	return ret < 0 ? vf_err_errno(err, ret, "snapshot %s", hidden + 1) : 0;
}

/* Is somebody at work in a hidden directory? */
static bool is_alive(const struct vf_state *state, const char *path)
{
	__close int fd = dir_open(state, path);

	return fd >= 0 && process_mark_lives(fd, VM_CREATOR_FILE);
}

/*
 * The hidden directory, with our mark; the state is locked. @left: out: what stood
 * there, to be removed without the lock, or empty.
 */
static int stage_make(const struct vf_state *state, const char *name,
		      char left[NAME_MAX + 1], struct vf_err *err)
{
	__close int fd = -1;
	char path[NAME_MAX + 1];
	int ret;

	stage_path(path, name);
	if (mkdirat(state->snapshots_fd, path, 0700) < 0) {
		if (errno != EEXIST)
			return vf_err_errno(err, errno, "snapshot %s", name);
		if (is_alive(state, path))
			return vf_err_set(err, EBUSY,
					  "snapshot %s: is being written",
					  name);
		/* it may be one that was replaced, and that is still read */
		if (hide(state, path, name, left) < 0)
			left[0] = '\0';
		if (mkdirat(state->snapshots_fd, path, 0700) < 0)
			return vf_err_errno(err, errno, "snapshot %s", name);
	}
	fd = dir_open(state, path);
	if (fd < 0)
		return vf_err_errno(err, fd, "snapshot %s", name);
	ret = process_mark(fd, VM_CREATOR_FILE, err);
	if (ret < 0) {
		stage_discard(state, name);
		return ret;
	}
	return vf_steal_fd(&fd);
}

int stage_open(const struct vf_state *state, const char *name,
	       struct vf_err *err)
{
	char left[NAME_MAX + 1] = "";
	int lock_fd, ret = stage_check_name(name, err);

	if (ret < 0)
		return ret;
	/* until its creator is on record it would be collected */
	lock_fd = state_lock(state, err);
	if (lock_fd < 0)
		return lock_fd;
	if (faccessat(state->snapshots_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) ==
	    0) {
		ret = vf_err_set(err, EEXIST, "snapshot %s: exists", name);
		vf_err_hint(err, "'vmfork rmi %s' removes it", name);
	} else {
		ret = stage_make(state, name, left, err);
	}
	close(lock_fd);
	if (left[0])
		hidden_remove(state, left, 0);
	return ret;
}

int stage_reopen(const struct vf_state *state, const char *name,
		 struct vf_err *err)
{
	int lock_fd = state_lock(state, err), ret;
	char left[NAME_MAX + 1] = "";

	if (lock_fd < 0)
		return lock_fd;
	ret = stage_make(state, name, left, err);
	close(lock_fd);
	if (left[0])
		hidden_remove(state, left, 0);
	return ret;
}

int stage_replace(const struct vf_state *state, int stage_fd, const char *name,
		  char hidden[NAME_MAX + 1], struct vf_err *err)
{
	char path[NAME_MAX + 1];
	int ret;

	stage_path(path, name);
	if (fsync(stage_fd) < 0 ||
	    renameat2(state->snapshots_fd, path, state->snapshots_fd, name,
		      RENAME_EXCHANGE) < 0)
		return vf_err_errno(err, errno, "snapshot %s", name);
	unlinkat(stage_fd, VM_CREATOR_FILE, 0);
	/* the old one stands there now */
	ret = hide(state, path, name, hidden);
	if (!ret && fsync(state->snapshots_fd) < 0)
		ret = -errno;
	return ret < 0 ? vf_err_errno(err, ret, "snapshot %s", name) : 0;
}

int stage_publish(const struct vf_state *state, int stage_fd, const char *name,
		  struct vf_err *err)
{
	char path[NAME_MAX + 1];

	stage_path(path, name);
	/* what is hidden and has no living creator is collected: rename first */
	if (fsync(stage_fd) < 0 ||
	    renameat2(state->snapshots_fd, path, state->snapshots_fd, name,
		      RENAME_NOREPLACE) < 0 ||
	    fsync(state->snapshots_fd) < 0)
		return vf_err_errno(err, errno, "snapshot %s", name);
	unlinkat(stage_fd, VM_CREATOR_FILE, 0);
	return 0;
}

void stage_discard(const struct vf_state *state, const char *name)
{
	char path[NAME_MAX + 1];

	stage_path(path, name);
	hidden_remove(state, path, 0);
}

bool stage_is_writing(const struct vf_state *state, const char *name)
{
	char path[NAME_MAX + 1];

	stage_path(path, name);
	return is_alive(state, path);
}

int stage_writer(const struct vf_state *state, const char *name,
		 struct process *writer)
{
	__close int fd = -1;
	char path[NAME_MAX + 1];

	stage_path(path, name);
	fd = dir_open(state, path);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return process_open_mark(writer, fd, VM_CREATOR_FILE);
}

static int break_once(const struct vf_state *state, const char *name,
		      const char *why)
{
	struct vf_err err;
	__close int fd = stage_open(state, name, &err);
	int ret = fd;

	if (ret >= 0)
		ret = vf_write_file(fd, BROKEN_FILE, why, strlen(why), true,
				    &err);
	if (!ret)
		ret = stage_publish(state, fd, name, &err);
	if (fd >= 0 && ret < 0)
		stage_discard(state, name);
	return ret < 0 ? -err.num : 0;
}

/*
 * On a disk that is full there is room only once the engine has closed the image,
 * which it does some time after it said that it failed; nothing tells when.
 */
void stage_break(const struct vf_state *state, const char *name,
		 const char *why)
{
	for (int i = 0; i < BREAK_TRIES; i++) {
		if (break_once(state, name, why) != -ENOSPC)
			return;
		usleep(BREAK_SLEEP_US);
	}
}

bool stage_why_broken(int dir_fd, struct vf_err *err)
{
	__free char *why = NULL;
	struct vf_err ignored;

	if (vf_read_file(dir_fd, BROKEN_FILE, VF_ERR_MSG_SIZE, &why, NULL,
			 &ignored) < 0)
		return false;
	vf_err_set(err, EBADMSG, "could not be finished: %s", vf_ascii(why));
	return true;
}

/* The names of hidden directories; alive: those in which somebody works. */
static int hidden_list(const struct vf_state *state, bool alive, json_t **paths,
		       struct vf_err *err)
{
	struct dirent **entries;
	int num =
		scandirat(state->snapshots_fd, ".", &entries, NULL, alphasort);

	if (num < 0)
		return vf_err_errno(err, errno, "snapshots");
	*paths = json_array();
	for (int i = 0; i < num; i++) {
		const char *path = entries[i]->d_name;

		if (path[0] == '.' && path[1] && strcmp(path, "..") != 0 &&
		    is_alive(state, path) == alive)
			json_array_append_new(*paths, json_string(path));
		free(entries[i]);
	}
	free(entries);
	return 0;
}

int stage_list(const struct vf_state *state, json_t **names, struct vf_err *err)
{
	__json json_t *paths = NULL;
	size_t i;
	json_t *item;
	int ret = hidden_list(state, true, &paths, err);

	if (ret < 0)
		return ret;
	*names = json_array();
	json_array_foreach(paths, i, item) {
		const char *path = json_string_value(item);
		const char *end = strstr(path, STAGE_SUFFIX);

		if (end && !strcmp(end, STAGE_SUFFIX))
			json_array_append_new(
				*names, json_stringn(path + 1,
						     (size_t)(end - path) - 1));
	}
	return 0;
}

static bool is_stage(const char *path)
{
	size_t len = strlen(path), suffix = strlen(STAGE_SUFFIX);

	return len > suffix && !strcmp(path + len - suffix, STAGE_SUFFIX);
}

void stage_bury_left(const struct vf_state *state)
{
	__json json_t *paths = NULL;
	struct vf_err ignored;
	size_t i;
	json_t *item;

	if (hidden_list(state, false, &paths, &ignored) < 0)
		return;
	json_array_foreach(paths, i, item)
		if (!is_stage(json_string_value(item)))
			hidden_remove(state, json_string_value(item), 0);
}

int snapshot_gc(const struct vf_state *state, json_t *removed,
		struct vf_err *err)
{
	__json json_t *paths = NULL;
	size_t i;
	json_t *item;
	int ret = hidden_list(state, false, &paths, err);

	if (ret < 0)
		return ret;
	json_array_foreach(paths, i, item) {
		const char *path = json_string_value(item);

		ret = hidden_remove(state, path, 0);
		if (ret == -ETIMEDOUT)
			continue;
		if (ret < 0)
			return vf_err_errno(err, ret, "snapshot %s", path + 1);
		json_array_append_new(
			removed, json_sprintf("half a snapshot: %s", path + 1));
	}
	return 0;
}
