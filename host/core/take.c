// SPDX-License-Identifier: MIT
/* Taking a snapshot. snapshot.h holds the contract. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "core/mailbox.h"
#include "core/manifest.h"
#include "core/stage.h"
#include "core/take.h"

#define NO_AGENT_HINT	"is vmfork-agent running in the guest?"
#define PROBE_MS	2500 /* the guest looks once a second */
#define ARM_TRIES	20
#define ARM_SLEEP_US	5000
#define SAVE_FIXED_MS	30000
#define SAVE_MS_PER_MIB 100

/* Does the page that the guest told of still live? Return: its address or 0. */
static uint64_t told_mailbox(const struct vm *vm, struct vmm *vmm)
{
	struct vf_err err;

	if (mailbox_probe(vmm, vm->mailbox_gpa, vm->port.addr4, PROBE_MS,
			  &err) == 0)
		return vm->mailbox_gpa;
	return 0;
}

/*
 * The page that answers is the mailbox. One that does not was left by an agent
 * that has gone: mail in it would be lost.
 */
static int choose_mailbox(const struct vm *vm, struct vmm *vmm,
			  const uint64_t *found, int num, uint64_t *gpa,
			  struct vf_err *err)
{
	uint64_t alive[MAILBOX_CANDIDATES];
	int num_alive = 0;

	for (int i = 0; i < num; i++)
		if (mailbox_probe(vmm, found[i], vm->port.addr4, PROBE_MS,
				  err) == 0)
			alive[num_alive++] = found[i];
	if (num_alive == 1) {
		*gpa = alive[0];
		return 0;
	}
	if (num == 1) {
		vf_err_hint(err, NO_AGENT_HINT);
		return -err->num;
	}
	if (num_alive > 1)
		found = alive;
	return vf_err_set(err, ENOTUNIQ,
			  "mailbox: ambiguous: pages at 0x%" PRIx64
			  " and 0x%" PRIx64 " both claim to be it, and %s",
			  found[0], found[1],
			  num_alive ? "both answer" : "neither answers");
}

static int find_mailbox(struct snapshot *s, const struct vm *vm,
			struct vmm *vmm, struct vf_err *err)
{
	uint64_t found[MAILBOX_CANDIDATES];
	int num;

	if (s->mailbox_gpa)
		return 0;
	num = mailbox_search(
		s->dir_fd, s->parent[0] ? SNAPSHOT_LAYER_FILE : VMM_MEMORY_FILE,
		&s->image, found, err);
	if (num < 0)
		return num;
	if (num == 0) {
		vf_err_set(err, ENOENT, "mailbox: none in the guest's memory");
		vf_err_hint(err, NO_AGENT_HINT);
		return -ENOENT;
	}
	return choose_mailbox(vm, vmm, found, num, &s->mailbox_gpa, err);
}

/*
 * The agent arms its mailbox anew after each restore and takes the magic away
 * for some instructions: a snapshot of just that moment could never be told
 * anything.
 */
int take_pause(struct take *t, struct vmm_pause *pause, struct vf_err *err)
{
	struct vmfork_mailbox page;
	struct vmm *vmm = t->vmm;
	int64_t at_us;
	int ret;

	for (int i = 0;; i++) {
		ret = vmm->ops->pause(vmm, &pause->paused_us, err);
		if (ret < 0 || !t->s->mailbox_gpa)
			return ret;
		ret = mailbox_read(vmm, t->s->mailbox_gpa, &page, err);
		if (ret != -ENOENT || i == ARM_TRIES)
			return ret;
		ret = vmm->ops->resume(vmm, &at_us, err);
		if (ret < 0)
			return ret;
		usleep(ARM_SLEEP_US);
	}
}

int take_resume(struct take *t, struct vmm_pause *pause, int ret, bool *resumed,
		struct vf_err *err)
{
	struct vf_err why;
	int resume_ret;

	/* nothing may keep the source from going on */
	t->vmm->cancel_fd = -1;
	resume_ret = t->vmm->ops->resume(t->vmm, &pause->resumed_us, &why);
	*resumed = resume_ret == 0;
	if (resume_ret < 0 && !ret) {
		*err = why;
		ret = vf_err_wrap(err, "resuming");
	}
	t->s->pause_us = pause->resumed_us - pause->paused_us;
	return ret;
}

void take_running(struct take *t)
{
	if (t->request->running)
		t->request->running(t->s, t->request->ctx);
}

int64_t take_save_ms(const struct take *t)
{
	uint64_t mib = t->s->hardware.config.memory_bytes >> 20;

	return (int64_t)(SAVE_FIXED_MS + mib * SAVE_MS_PER_MIB);
}

static int save_all(struct take *t, struct vf_err *err)
{
	struct vmm_pause pause = { 0 };
	struct guard guard;
	bool resumed;
	int ret = guard_start(&guard, t->vm, t->vmm, err);

	if (ret < 0)
		return ret;
	ret = take_pause(t, &pause, err);
	if (!ret)
		ret = t->vmm->ops->save(t->vmm, t->s->dir_fd,
					vf_now_us() + take_save_ms(t) * 1000,
					err);
	ret = take_resume(t, &pause, ret, &resumed, err);
	guard_stop(&guard, resumed);
	return ret;
}

int take_full(struct take *t, struct vf_err *err)
{
	struct snapshot *s = t->s;
	struct stat st;
	int ret = save_all(t, err);

	if (!ret)
		take_running(t);
	if (!ret)
		ret = t->vmm->ops->finish(s->dir_fd, &s->hardware.config,
					  &s->image, err);
	if (!ret && fstatat(s->dir_fd, VMM_MEMORY_FILE, &st, 0) == 0)
		s->dirty_bytes = (uint64_t)st.st_blocks * 512;
	return ret;
}

static int sync_file(int dir_fd, const char *name, struct vf_err *err)
{
	__close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return vf_err_errno(err, errno, "%s", name);
	return 0;
}

/* What a fork boots when it reboots, durably. */
static int keep_boot_files(struct snapshot *s, const struct vm *vm,
			   struct vf_err *err)
{
	int ret =
		vm_place_boot_files(&vm->hardware, vm->run_fd, s->dir_fd, err);

	if (!ret)
		ret = sync_file(s->dir_fd, VM_KERNEL_FILE, err);
	if (!ret && vm->hardware.has_initrd)
		ret = sync_file(s->dir_fd, VM_INITRD_FILE, err);
	return ret;
}

static int (*const modes[])(struct take *t, struct vf_err *err) = {
	[SNAPSHOT_MODE_FULL] = take_full,
	[SNAPSHOT_MODE_DIFF] = take_diff,
	[SNAPSHOT_MODE_LIVE] = take_live,
};
static_assert(ARRAY_SIZE(modes) == SNAPSHOT_MODE_AUTO, "the last is none");

static int take_attached(struct take *t, struct vf_err *err)
{
	struct snapshot *s = t->s;
	enum vmm_state vm_state;
	int ret = t->vmm->ops->query(t->vmm, &vm_state, err);

	if (ret < 0)
		return ret;
	if (vm_state != VMM_STATE_RUNNING)
		return vf_err_set(err, EBUSY, "VM %s: not running",
				  t->vm->name);
	s->mailbox_gpa = told_mailbox(t->vm, t->vmm);
	if (s->mode == SNAPSHOT_MODE_AUTO)
		ret = take_choose(t, &s->mode, err);
	if (!ret)
		ret = modes[s->mode](t, err);
	if (!ret)
		ret = keep_boot_files(s, t->vm, err);
	if (!ret)
		ret = find_mailbox(s, t->vm, t->vmm, err);
	if (ret < 0)
		return ret;
	/* a fork has to be the same machine, also under a newer engine */
	memcpy(s->hardware.config.machine, s->image.machine,
	       sizeof(s->image.machine));
	return 0;
}

/* Nobody may have removed what a layer builds on. */
static int publish(struct take *t, struct vf_err *err)
{
	struct snapshot *s = t->s;
	__close int lock_fd = -1;
	struct snapshot parent = { .dir_fd = -1 };
	int ret = 0;

	if (s->parent[0]) {
		lock_fd = state_lock(t->state, err);
		if (lock_fd < 0)
			return lock_fd;
		ret = snapshot_open(&parent, t->state, s->parent, err);
		if (!ret && memcmp(parent.id, s->parent_id, sizeof(parent.id)))
			ret = vf_err_set(err, ESTALE,
					 "snapshot %s: was removed meanwhile",
					 s->parent);
		snapshot_close(&parent);
	}
	return ret < 0 ? ret : stage_publish(t->state, s->dir_fd, s->name, err);
}

static int take_staged(struct take *t, struct vf_err *err)
{
	struct snapshot *s = t->s;
	int ret = vf_random(s->id, sizeof(s->id));

	if (ret < 0)
		return vf_err_errno(err, ret, "random numbers");
	ret = vm_attach(t->vm, t->vmm, t->request->cancel_fd, err);
	if (ret < 0)
		return ret;
	ret = take_attached(t, err);
	vm_detach(t->vmm);
	if (ret < 0)
		return ret;
	s->total_us = vf_now_us() - t->start_us;
	ret = manifest_save(s, err);
	if (!ret)
		ret = publish(t, err);
	return ret;
}

int snapshot_take(struct snapshot *s, const struct vf_state *state,
		  const struct vm *vm, const struct snapshot_request *request,
		  struct vf_err *err)
{
	struct vmm vmm;
	struct take t = {
		.s = s,
		.state = state,
		.vm = vm,
		.vmm = &vmm,
		.request = request,
		.start_us = vf_now_us(),
	};
	int ret;

	*s = (struct snapshot){
		.dir_fd = stage_open(state, request->name, err),
		.mode = request->mode,
		.created_s = time(NULL),
		.hardware = vm->hardware,
	};
	if (s->dir_fd < 0)
		return s->dir_fd;
	snprintf(s->name, sizeof(s->name), "%s", request->name);
	snprintf(s->source, sizeof(s->source), "%s", vm->name);
	snprintf(s->net_name, sizeof(s->net_name), "%s", vm->net_name);
	memcpy(s->mac, vm->guest_mac, sizeof(s->mac));
	ret = take_staged(&t, err);
	if (ret < 0) {
		stage_discard(state, request->name);
		return vf_err_wrap(err, "snapshot %s", request->name);
	}
	return 0;
}
