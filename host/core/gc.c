// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "core/gc.h"
#include "core/keep.h"
#include "core/ready.h"
#include "core/reap.h"
#include "core/snapshot.h"

static bool is_alive(const char *owner, void *ctx)
{
	return vm_get_state(ctx, owner) != VM_STATE_DEAD ||
	       ready_owner_lives(ctx, owner);
}

/* The marks of commands that were killed. */
static int find_dead_commands(const struct vf_state *state, json_t **dead,
			      struct vf_err *err)
{
	__json json_t *names = NULL;
	json_t *name;
	size_t i;
	int ret = vf_list_dir(state->commands_fd, &names, err);

	if (ret < 0)
		return ret;
	*dead = json_array();
	json_array_foreach(names, i, name)
		/* one that has gone meanwhile ended as it should */
		if (!process_mark_lives(state->commands_fd,
					json_string_value(name)) &&
		    faccessat(state->commands_fd, json_string_value(name), F_OK,
			      0) == 0)
			json_array_append(*dead, name);
	return 0;
}

/* A part has let go of the lock; what follows needs it. */
static int relock(const struct vf_state *state, int *lock_fd, int ret,
		  struct vf_err *err)
{
	struct vf_err why;

	*lock_fd = state_lock(state, &why);
	if (*lock_fd >= 0 || ret < 0)
		return ret;
	*err = why;
	return -why.num;
}

static bool is_dead(const struct vf_state *state, const char *name)
{
	return vm_get_state(state, name) == VM_STATE_DEAD;
}

/* Return: how many, or -errno; @found is the caller's */
static int vms_find(const struct vf_state *state,
		    bool (*is_one)(const struct vf_state *state,
				   const char *name),
		    json_t **found, struct vf_err *err)
{
	__json json_t *names = NULL;
	json_t *name;
	size_t i;
	int ret = vm_list(state, &names, err);

	if (ret < 0)
		return ret;
	*found = json_array();
	json_array_foreach(names, i, name)
		if (is_one(state, json_string_value(name)))
			json_array_append(*found, name);
	return (int)json_array_size(*found);
}

/* Who waits for the lock is not to wait for engines that take their time to end. */
static int collect_vms(const struct vf_state *state, int *lock_fd,
		       json_t *removed, struct vf_err *err)
{
	__json json_t *dead = NULL;
	json_t *name;
	size_t i;
	int ret = vms_find(state, is_dead, &dead, err);

	if (ret <= 0)
		return ret;
	ret = reap_vms_unlock(state, dead, vf_steal_fd(lock_fd), err);
	/* of several that could not all be removed, some were */
	json_array_foreach(dead, i, name) {
		__close int fd = vm_run_open(state, json_string_value(name));

		if (fd == -ENOENT)
			json_array_append_new(
				removed,
				json_sprintf("VM %s", json_string_value(name)));
	}
	return relock(state, lock_fd, ret, err);
}

/* VMs that are kept stay; of their last run nothing does. */
static int tidy_vms(const struct vf_state *state, int *lock_fd, json_t *removed,
		    struct vf_err *err)
{
	__json json_t *loose = NULL;
	json_t *name;
	size_t i;
	int ret = vms_find(state, keep_is_loose, &loose, err);

	if (ret <= 0)
		return ret;
	ret = keep_tidy(state, loose, vf_steal_fd(lock_fd), err);
	json_array_foreach(loose, i, name)
		if (!keep_is_loose(state, json_string_value(name)))
			json_array_append_new(
				removed, json_sprintf("last run of VM %s",
						      json_string_value(name)));
	return relock(state, lock_fd, ret, err);
}

static int collect_pool(const struct vf_state *state, int *lock_fd,
			json_t *removed, struct vf_err *err)
{
	const struct vf_state pool = state_pool(state);
	int ret = ready_gc(&pool, vf_steal_fd(lock_fd), removed, err);

	return relock(state, lock_fd, ret, err);
}

static int collect_links(const struct vf_state *state, json_t *removed,
			 struct vf_err *err)
{
	return net_gc(state->net_fd, is_alive, (void *)state, removed, err);
}

/* Nothing is removed: what stood still for want of room can go on. */
static int feed_vms(const struct vf_state *state, json_t *removed,
		    struct vf_err *err)
{
	__json json_t *names = NULL;
	json_t *name;
	size_t i;
	int ret = vm_list(state, &names, err);

	if (ret < 0)
		return ret;
	json_array_foreach(names, i, name) {
		struct vf_err ignored;
		struct vmm vmm;
		struct vm vm;

		/* one that another command is busy with is looked after */
		if (vm_open(&vm, state, json_string_value(name), &ignored) ==
			    0 &&
		    vm.disks.num && vm_attach(&vm, &vmm, -1, &ignored) == 0) {
			if (disk_feed(&vm, &vmm))
				json_array_append_new(
					removed,
					json_sprintf("VM %s stood still",
						     vm.name));
			vm_detach(&vmm);
		}
		vm_close(&vm);
	}
	return 0;
}

/*
 * All parts, whatever becomes of one; the first failure is told. Those that end
 * engines let go of the lock, and take it anew; if it is not to be had, the rest
 * is not done.
 */
static int collect(const struct vf_state *state, int *lock_fd, json_t *removed,
		   struct vf_err *err)
{
	static int (*const slow[])(const struct vf_state *state, int *lock_fd,
				   json_t *removed, struct vf_err *err) = {
		collect_vms,
		tidy_vms,
		collect_pool,
	};
	static int (*const quick[])(const struct vf_state *state,
				    json_t *removed, struct vf_err *err) = {
		snapshot_gc,
		collect_links,
		feed_vms,
	};
	struct vf_err why = { 0 };
	int ret = 0;

	for (size_t i = 0; *lock_fd >= 0 && i < ARRAY_SIZE(slow); i++)
		if (slow[i](state, lock_fd, removed, &why) < 0)
			vf_err_first(err, &ret, &why);
	for (size_t i = 0; *lock_fd >= 0 && i < ARRAY_SIZE(quick); i++)
		if (quick[i](state, removed, &why) < 0)
			vf_err_first(err, &ret, &why);
	return ret;
}

/* @lock_fd: of state_lock(), changes; negative if it is not locked any more */
static int gc_run_locked(const struct vf_state *state, int *lock_fd,
			 json_t **removed, struct vf_err *err)
{
	__json json_t *dead = NULL;
	json_t *name;
	size_t i;
	int ret;

	*removed = json_array();
	ret = find_dead_commands(state, &dead, err);
	if (!ret)
		ret = collect(state, lock_fd, *removed, err);
	if (ret < 0)
		return ret;
	/* only now: if this is cut short too, the next one has to know */
	json_array_foreach(dead, i, name)
		/* a new command may have got its number */
		if (!process_mark_lives(state->commands_fd,
					json_string_value(name)))
			unlinkat(state->commands_fd, json_string_value(name),
				 0);
	return 0;
}

int gc_run(const struct vf_state *state, json_t **removed, struct vf_err *err)
{
	__close int lock_fd = state_lock(state, err);

	*removed = NULL;
	return lock_fd < 0 ? lock_fd
			   : gc_run_locked(state, &lock_fd, removed, err);
}

static void mark_name(char name[16])
{
	snprintf(name, 16, "%d", getpid());
}

/* A killed command left something: not a reason for this one to fail. */
static void collect_after_kill(const struct vf_state *state, int *lock_fd)
{
	__json json_t *dead = NULL, *removed = NULL;
	struct vf_err err;
	int ret = find_dead_commands(state, &dead, &err);

	if (!ret && json_array_size(dead)) {
		vf_log(VF_LOG_INFO, "an earlier command was killed: removing "
				    "what it left");
		ret = gc_run_locked(state, lock_fd, &removed, &err);
	}
	if (ret < 0)
		vf_log(VF_LOG_WARN, "what a killed command left: %s", err.msg);
}

int gc_command_begin(const struct vf_state *state, enum gc_effect effect,
		     struct vf_err *err)
{
	/* a mark that is half written would be that of a dead command */
	__close int lock_fd = state_lock(state, err);
	char name[16];
	int ret;

	if (lock_fd < 0)
		return lock_fd;
	collect_after_kill(state, &lock_fd);
	if (lock_fd < 0)
		lock_fd = state_lock(state, err);
	if (lock_fd < 0)
		return lock_fd;
	mark_name(name);
	ret = process_mark(state->commands_fd, name, err);
	/* on a full disk one has to be able to make room */
	if (ret < 0 && effect == GC_FREES)
		return 0;
	return ret < 0 ? vf_err_wrap(err, "state directory: commands") : 0;
}

void gc_command_end(const struct vf_state *state)
{
	char name[16];

	mark_name(name);
	unlinkat(state->commands_fd, name, 0);
}
