// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/reap_mark.h"

#define OTHER_MS 60000 /* another command takes a hundred away in seconds */

/* A command that takes a VM away. */
struct other {
	const char *name; /* the VM's */
	struct process proc;
	int watch_fd; /* readable when a file of the VM has gone; or -1 */
};

bool reap_is_none(int ret)
{
	return ret == -ENOENT || ret == -ENOTDIR || ret == -ELOOP;
}

void reap_drop(const struct vf_state *state, const json_t *names,
	       const char *file)
{
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		__close int fd = vm_run_open(state, json_string_value(name));

		if (fd >= 0)
			unlinkat(fd, file, 0);
	}
}

void reap_unmark(const struct vf_state *state, const json_t *names)
{
	reap_drop(state, names, VM_REAPER_FILE);
}

/*
 * A mark is written once and linked into the others; that of a dead command is in
 * the way of a new one.
 */
int reap_mark(const struct vf_state *state, const json_t *names)
{
	__close int first_fd = -1;
	struct vf_err ignored;
	json_t *name;
	int ret = 0;
	size_t i;

	json_array_foreach(names, i, name) {
		__close int fd = vm_run_open(state, json_string_value(name));

		/* what is no directory is in the way of whoever wants the name */
		if (reap_is_none(fd))
			continue;
		ret = fd < 0 ? fd : 0;
		if (ret < 0)
			break;
		unlinkat(fd, VM_REAPER_FILE, 0);
		if (first_fd >= 0 && linkat(first_fd, VM_REAPER_FILE, fd,
					    VM_REAPER_FILE, 0) == 0)
			continue;
		ret = process_mark(fd, VM_REAPER_FILE, &ignored);
		if (ret < 0)
			break;
		if (first_fd < 0)
			first_fd = vf_steal_fd(&fd);
	}
	if (ret < 0)
		reap_unmark(state, names);
	return ret;
}

/* Does a process other than this one live that wrote a mark? 1, 0, -errno */
static int is_others(struct process *proc, int run_fd, const char *mark)
{
	int ret = process_open_mark(proc, run_fd, mark);

	if (ret > 0 && proc->pid == getpid()) {
		process_close(proc);
		ret = 0;
	}
	return ret;
}

int reap_pick(const struct vf_state *state, const json_t *names,
	      json_t **picked, struct vf_err *err)
{
	json_t *name;
	size_t i;

	*picked = json_array();
	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);
		__close int fd = vm_run_open(state, text);
		struct process maker = { .pidfd = -1 };
		int ret = fd;

		if (fd == -ENOENT)
			continue;
		if (fd >= 0)
			ret = is_others(&maker, fd, VM_CREATOR_FILE);
		process_close(&maker);
		if (ret < 0 && !reap_is_none(ret))
			return vf_err_errno(err, ret, "VM %s: whose it is",
					    text);
		/* it took the place of the one that was meant */
		if (ret <= 0)
			json_array_append(*picked, name);
	}
	return 0;
}

/* Where a file system does not say when it was made, the number has to do. */
static struct reap_id id_of(const struct vf_state *state, const json_t *name)
{
	struct statx st;

	if (statx(state->vms_fd, json_string_value(name), AT_SYMLINK_NOFOLLOW,
		  STATX_INO | STATX_BTIME, &st) < 0)
		return (struct reap_id){ 0 };
	if (!(st.stx_mask & STATX_BTIME))
		return (struct reap_id){ .inode = st.stx_ino };
	return (struct reap_id){ st.stx_ino, st.stx_btime.tv_sec,
				 st.stx_btime.tv_nsec };
}

struct reap_id *reap_ids_new(const struct vf_state *state, const json_t *names)
{
	struct reap_id *ids = calloc(json_array_size(names) + 1, sizeof(*ids));
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		if (ids)
			ids[i] = id_of(state, name);
	return ids;
}

json_t *reap_same(const struct vf_state *state, const json_t *names,
		  const struct reap_id *ids)
{
	json_t *same = json_array(), *name;
	size_t i;

	json_array_foreach(names, i, name) {
		struct reap_id id = id_of(state, name);

		if (id.inode == ids[i].inode && id.made_s == ids[i].made_s &&
		    id.made_ns == ids[i].made_ns)
			json_array_append(same, name);
	}
	return same;
}

/* Without it, a limit was reached, who waits does so for the process alone. */
static int watch_open(int run_fd)
{
	__close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", run_fd);
	if (fd < 0 || inotify_add_watch(fd, path, IN_DELETE) < 0)
		return -1;
	return vf_steal_fd(&fd);
}

static void other_close(struct other *other)
{
	process_close(&other->proc);
	vf_close_fd(&other->watch_fd);
}

/* Who takes one of these away? Return: 1 and who, 0, -errno */
static int find_other(const struct vf_state *state, const json_t *names,
		      struct other *other, struct vf_err *err)
{
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);
		__close int fd = vm_run_open(state, text);
		int ret = fd;

		*other = (struct other){ text, { .pidfd = -1 }, -1 };
		if (reap_is_none(fd))
			continue;
		if (fd >= 0)
			ret = is_others(&other->proc, fd, VM_REAPER_FILE);
		if (ret < 0)
			return vf_err_errno(err, ret, "VM %s: whose it is",
					    text);
		if (!ret)
			continue;
		other->watch_fd = watch_open(fd);
		/* one that fails takes it back at any time */
		if (faccessat(fd, VM_REAPER_FILE, F_OK, 0) == 0)
			return 1;
		other_close(other);
	}
	return 0;
}

/* Until it has ended, or removed something, its mark perhaps: then look again. */
static int await_other(const struct other *other, int cancel_fd,
		       int64_t deadline_us)
{
	__close int fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };

	if (fd < 0 ||
	    epoll_ctl(fd, EPOLL_CTL_ADD, other->proc.pidfd, &event) < 0 ||
	    (other->watch_fd >= 0 &&
	     epoll_ctl(fd, EPOLL_CTL_ADD, other->watch_fd, &event) < 0))
		return -errno;
	return vf_wait_readable(fd, cancel_fd, deadline_us);
}

int reap_lock(const struct vf_state *state, const json_t *names, int cancel_fd,
	      struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + OTHER_MS * 1000LL;

	for (;;) {
		__close int lock_fd = state_lock(state, err);
		struct other other;
		int ret;

		if (lock_fd < 0)
			return lock_fd;
		ret = find_other(state, names, &other, err);
		if (ret < 0)
			return ret;
		if (!ret)
			return vf_steal_fd(&lock_fd);
		close(vf_steal_fd(&lock_fd));
		ret = await_other(&other, cancel_fd, deadline_us);
		other_close(&other);
		if (ret == -ECANCELED)
			return vf_err_set(err, ECANCELED, "interrupted");
		if (ret == -ETIMEDOUT)
			return vf_err_set(err, EBUSY,
					  "VM %s: another command is taking it "
					  "away",
					  other.name);
		if (ret < 0)
			return vf_err_errno(err, ret, "VM %s", other.name);
	}
}
