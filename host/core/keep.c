// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/guard.h"
#include "core/hold.h"
#include "core/keep.h"
#include "core/reap.h"
#include "core/reap_mark.h"

static bool has_file(int run_fd, const char *name)
{
	return faccessat(run_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Its engine ended by itself, and nobody was at work on it. */
static bool has_just_ended(const struct vm *vm)
{
	return has_file(vm->run_fd, PROCESS_FILE) &&
	       !has_file(vm->run_fd, VM_CREATOR_FILE) &&
	       !has_file(vm->run_fd, VM_REAPER_FILE);
}

static int say_dead(const char *name, struct vf_err *err)
{
	vf_err_set(err, ESRCH, "VM %s: has ended, and was not kept", name);
	vf_err_hint(err, "'vmfork gc' removes what is left of it");
	return -ESRCH;
}

static int check_opened(const struct vf_state *state, const struct vm *vm,
			struct vf_err *err)
{
	if (!vm->disks.num) {
		vf_err_set(err, ENOTSUP,
			   "VM %s: has no disk that could be kept", vm->name);
		vf_err_hint(err, "'vmfork snapshot' keeps its memory");
		return -ENOTSUP;
	}
	switch (vm_get_state(state, vm->name)) {
	case VM_STATE_CREATING:
		return vf_err_set(err, EBUSY,
				  "VM %s: another command is making it",
				  vm->name);
	case VM_STATE_DEAD:
		return has_just_ended(vm) ? 0 : say_dead(vm->name, err);
	case VM_STATE_RUNNING:
	case VM_STATE_ENDING:
	case VM_STATE_STOPPED:
		break;
	}
	return 0;
}

int keep_check(const struct vf_state *state, const char *name,
	       struct vf_err *err)
{
	struct vm vm;
	int ret = vm_open(&vm, state, name, err);

	if (!ret)
		ret = check_opened(state, &vm, err);
	vm_close(&vm);
	return ret;
}

/* What an engine leaves that is no more, or a command that had it. */
static void drop_run(int run_fd)
{
	__json json_t *names = NULL;
	struct vf_err ignored;
	json_t *name;
	size_t i;

	if (vf_list_dir(run_fd, &names, &ignored) < 0)
		return;
	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);
		struct stat st;

		if (fstatat(run_fd, text, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISSOCK(st.st_mode))
			unlinkat(run_fd, text, 0);
	}
	unlinkat(run_fd, VMM_ENGINE_LOG, 0);
	unlinkat(run_fd, PROCESS_FILE, 0);
	unlinkat(run_fd, VM_CREATOR_FILE, 0);
}

/* All that it is made of. */
static int sync_all(int run_fd, struct vf_err *err)
{
	__json json_t *names = NULL;
	json_t *name;
	size_t i;
	int ret = vf_list_dir(run_fd, &names, err);

	if (ret < 0)
		return ret;
	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);
		struct stat st;

		if (fstatat(run_fd, text, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && vf_sync_file(run_fd, text, err) < 0)
			return -err->num;
	}
	return fsync(run_fd) < 0 ? vf_err_errno(err, errno, "files") : 0;
}

/* What is left of a run goes, what it wrote is durable. Its engine has ended. */
static int settle_run(const struct vf_state *state, const char *name,
		      struct vf_err *err)
{
	__close int run_fd = vm_run_open(state, name);
	int ret;

	if (run_fd < 0)
		return vf_err_errno(err, run_fd, "VM %s", name);
	drop_run(run_fd);
	ret = sync_all(run_fd, err);
	return ret < 0 ? vf_err_wrap(err, "VM %s", name) : 0;
}

/* One of several that could not all be ended is asked alone. */
static int end_run(const struct vf_state *state, const char *name,
		   struct vf_err *err)
{
	__json json_t *names = json_pack("[s]", name);
	int ret;

	if (!names)
		return vf_err_errno(err, ENOMEM, "VM %s", name);
	ret = reap_end(state, names, err);
	return ret < 0 ? ret : settle_run(state, name, err);
}

/*
 * End what there is of engines. The VMs bear our mark. All at once, for that takes
 * no longer than one; what cannot be ended does not hold up the others.
 */
static int end_runs(const struct vf_state *state, const json_t *names,
		    struct vf_err *err)
{
	int ended = reap_end(state, names, err), ret = ended;
	struct vf_err why;
	json_t *name;
	size_t i;

	if (ended < 0 && json_array_size(names) == 1)
		return ended;
	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);
		int settled = ended < 0 ? end_run(state, text, &why)
					: settle_run(state, text, &why);

		if (settled < 0)
			vf_err_first(err, &ret, &why);
	}
	if (fsync(state->vms_fd) < 0 && !ret)
		ret = vf_err_errno(err, errno, "VMs");
	return ret;
}

/*
 * It is to be kept, unless its guest has let go meanwhile: a lock may have been
 * waited for.
 */
static int keep_held(const struct vm *vm, const struct hold *hold,
		     struct vf_err *err)
{
	bool was_kept = vm_is_kept(vm);
	int ret = 0;

	/* on a full disk it has to end, too */
	if (!was_kept)
		ret = vf_write_file(vm->run_fd, VM_KEPT_FILE, "", 0, true, err);

	if (!ret && hold)
		ret = hold_check(hold, vf_now_us(), err);
	if (ret < 0 && !was_kept)
		unlinkat(vm->run_fd, VM_KEPT_FILE, 0);
	return ret;
}

/* What one command does to one VM. */
struct work {
	const struct vf_state *state;
	const struct vm *vm;
	const json_t *names;	   /* its name */
	const struct reap_id *ids; /* what it was as it was looked for */
	const struct keep_request *request;
};

/*
 * Nobody else touches it from here on, until its mark has gone; or, without room
 * for one, until the state is unlocked.
 *
 * @lock_fd: out: to be closed; -1 if it is marked
 */
static int mark(const struct work *w, const struct hold *hold, int *lock_fd,
		struct vf_err *err)
{
	__json json_t *same = NULL;
	__close int fd =
		reap_lock(w->state, w->names, w->request->cancel_fd, err);
	int ret;

	if (fd < 0)
		return fd;
	same = reap_same(w->state, w->names, w->ids);
	if (!json_array_size(same))
		return vf_err_set(err, ENOENT,
				  "VM %s: another command took it away",
				  w->vm->name);
	ret = check_opened(w->state, w->vm, err);
	if (!ret)
		ret = keep_held(w->vm, hold, err);
	if (ret < 0)
		return ret;
	if (reap_mark(w->state, w->names) == 0)
		close(vf_steal_fd(&fd));
	*lock_fd = vf_steal_fd(&fd);
	return 0;
}

/*
 * An engine that was told to end cannot be told to go on: whatever fails then, the
 * VM stays one that is kept.
 *
 * @hold: what its guest keeps still; NULL: it was not asked
 */
static int stop_held(const struct work *w, const struct hold *hold,
		     struct vf_err *err)
{
	__close int lock_fd = -1;
	int ret = mark(w, hold, &lock_fd, err);

	if (ret < 0)
		return ret;
	ret = end_runs(w->state, w->names, err);
	reap_unmark(w->state, w->names);
	return ret;
}

static int say_unheld(const char *name, int ret, struct vf_err *err)
{
	if (ret == -ECANCELED)
		return ret;
	vf_err_wrap(err, "VM %s", name);
	if (!err->hint[0])
		vf_err_hint(err, "--no-quiesce ends it like a power cut: what "
				 "its guest has not written is lost");
	return ret;
}

/* Its guest may have told nobody, or have booted since: look where it is now. */
static int find_mailbox(const struct vm *vm, struct vmm *vmm,
			unsigned int timeout_ms, uint64_t *gpa,
			struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + (int64_t)timeout_ms * 1000;
	uint64_t found[MAILBOX_CANDIDATES] = { vm->mailbox_gpa };
	int num, ret = request_choose(vm, vmm, found, vm->mailbox_gpa ? 1 : 0,
				      gpa, err);

	if (!ret || ret == -ECANCELED)
		return ret;
	*err = (struct vf_err){ 0 };
	num = mailbox_find(vmm, vm->snapshot[0], deadline_us, found, err);
	if (num < 0)
		return num;
	if (!num)
		return vf_err_set(err, ENOTSUP,
				  "no agent in its guest answers");
	ret = request_choose(vm, vmm, found, num, gpa, err);
	/* there is more to be done about it than to look for the agent */
	err->hint[0] = '\0';
	return ret;
}

/* Giving up means to let it go; one that has ended does not hear it. */
static void let_go(struct hold *hold, struct vmm *vmm)
{
	struct vf_err ignored;

	vmm->cancel_fd = -1;
	hold_end(hold, &ignored);
}

/* What the guest has not written goes with its memory. */
static int stop_quiet(const struct work *w, struct vf_err *err)
{
	const struct hold_wish wish = {
		.quiesce = true,
		.policy = VMFORK_POLICY_IGNORE,
		.timeout_ms = w->request->timeout_ms,
	};
	const struct vm *vm = w->vm;
	struct request_to to;
	struct guard guard;
	struct hold hold;
	struct vmm vmm;
	uint64_t gpa = 0;
	int ret = vm_attach(vm, &vmm, w->request->cancel_fd, err);

	if (ret < 0)
		return ret;
	ret = find_mailbox(vm, &vmm, wish.timeout_ms, &gpa, err);
	if (ret < 0) {
		vm_detach(&vmm);
		return say_unheld(vm->name, ret, err);
	}
	request_to_init(&to, vm, &vmm, gpa);
	hold_init(&hold, &to, &wish);
	ret = guard_start(&guard, vm, gpa, &vmm, err);
	if (!ret) {
		ret = hold_begin(&hold, err);
		ret = ret < 0 ? say_unheld(vm->name, ret, err)
			      : stop_held(w, &hold, err);
		if (ret < 0)
			let_go(&hold, &vmm);
		guard_stop(&guard, !ret || !hold.is_asked);
	}
	vm_detach(&vmm);
	return ret;
}

int keep_stop(const struct vf_state *state, const char *name,
	      const struct keep_request *request, struct vf_err *err)
{
	__json json_t *names = json_pack("[s]", name);
	__free struct reap_id *ids = reap_ids_new(state, names);
	struct vm vm;
	const struct work w = { state, &vm, names, ids, request };
	int ret;

	if (!ids)
		return vf_err_errno(err, ENOMEM, "VM %s", name);
	ret = vm_open(&vm, state, name, err);
	if (!ret)
		ret = check_opened(state, &vm, err);
	if (!ret && vm_get_state(state, name) == VM_STATE_RUNNING &&
	    request->quiesce)
		ret = stop_quiet(&w, err);
	else if (!ret)
		ret = stop_held(&w, NULL, err);
	vm_close(&vm);
	return ret;
}

/* Can it be started? */
static int check_stopped(const struct vf_state *state, const char *name,
			 struct vf_err *err)
{
	switch (vm_get_state(state, name)) {
	case VM_STATE_STOPPED:
		return 0;
	case VM_STATE_RUNNING:
		return vf_err_set(err, EBUSY, "VM %s: runs already", name);
	case VM_STATE_DEAD:
		return say_dead(name, err);
	case VM_STATE_CREATING:
	case VM_STATE_ENDING:
		break;
	}
	return vf_err_set(err, EBUSY, "VM %s: another command is at work on it",
			  name);
}

int keep_claim(struct vm *vm, const struct vf_state *state, const char *name,
	       int cancel_fd, struct vf_err *err)
{
	__json json_t *names = json_pack("[s]", name);
	__close int lock_fd = reap_lock(state, names, cancel_fd, err);
	int ret;

	*vm = (struct vm){ .run_fd = -1 };
	if (lock_fd < 0)
		return lock_fd;
	ret = vm_open(vm, state, name, err);
	if (!ret)
		ret = check_stopped(state, name, err);
	if (!ret && reap_mark(state, names) < 0)
		ret = vf_err_set(err, ENOSPC, "VM %s: no room for a mark",
				 name);
	if (ret < 0)
		return ret;
	close(vf_steal_fd(&lock_fd));
	ret = end_runs(state, names, err);
	if (!ret)
		ret = process_mark(vm->run_fd, VM_CREATOR_FILE, err);
	reap_unmark(state, names);
	return ret;
}

void keep_unclaim(const struct vm *vm)
{
	struct process proc = { .pidfd = -1 };

	/* of one that does not end the mark tells: when we have gone, gc does it */
	if (process_open(&proc, vm->run_fd) == 0)
		drop_run(vm->run_fd);
	process_close(&proc);
}

bool keep_is_loose(const struct vf_state *state, const char *name)
{
	__close int run_fd = -1;

	if (vm_get_state(state, name) != VM_STATE_STOPPED)
		return false;
	run_fd = vm_run_open(state, name);
	return run_fd >= 0 && (has_file(run_fd, PROCESS_FILE) ||
			       has_file(run_fd, VM_CREATOR_FILE) ||
			       has_file(run_fd, VM_REAPER_FILE));
}

int keep_tidy(const struct vf_state *state, const json_t *names, int lock_fd,
	      struct vf_err *err)
{
	__close int fd = lock_fd;
	int ret;

	/* without room for marks the lock tells that they are ours */
	if (reap_mark(state, names) == 0)
		close(vf_steal_fd(&fd));
	ret = end_runs(state, names, err);
	reap_unmark(state, names);
	return ret;
}
