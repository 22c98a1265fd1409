// SPDX-License-Identifier: MIT
/* Taking a snapshot. snapshot.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/guard.h"
#include "core/hold.h"
#include "core/mailbox.h"
#include "core/manifest.h"
#include "core/request.h"
#include "core/stage.h"

#define NO_AGENT_HINT	"is vmfork-agent running in the guest?"
#define PROBE_MS	2500 /* the guest looks once a second */
#define ARM_TRIES	20
#define ARM_SLEEP_US	5000
#define SAVE_FIXED_MS	30000
#define SAVE_MS_PER_MIB 100

/* Does that page live? */
static int probe(const struct vm *vm, struct vmm *vmm, uint64_t gpa,
		 struct vf_err *err)
{
	struct request_answer answer;
	struct request_to to;

	request_to_init(&to, vm, vmm, gpa);
	return request_probe(&to, PROBE_MS, &answer, err);
}

/* The page that the guest told of, if it still lives. Return: address or 0 */
static uint64_t told_mailbox(const struct vm *vm, struct vmm *vmm)
{
	struct vf_err err;

	return probe(vm, vmm, vm->mailbox_gpa, &err) == 0 ? vm->mailbox_gpa : 0;
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
		if (probe(vm, vmm, found[i], err) == 0)
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

	num = mailbox_search(s->dir_fd, &s->image, found, err);
	if (num < 0)
		return num;
	if (num == 0) {
		vf_err_set(err, ENOENT, "mailbox: none in the guest's memory");
		vf_err_hint(err, NO_AGENT_HINT);
		return -ENOENT;
	}
	return choose_mailbox(vm, vmm, found, num, &s->mailbox_gpa, err);
}

/* When the VM was paused: its clock stands since a moment between these two. */
struct pause {
	int64_t from_us;
	int64_t to_us; /* also where the pause begins for its user */
};

/*
 * Pause the VM at a moment in which its mailbox is armed. The agent arms it anew
 * after each restore and takes the magic away for some instructions: a snapshot
 * of just that moment could never be told anything.
 */
static int pause_armed(struct snapshot *s, struct vmm *vmm, struct pause *pause,
		       struct vf_err *err)
{
	struct vmfork_mailbox page;
	int64_t at_us;
	int ret;

	for (int i = 0;; i++) {
		pause->from_us = vf_now_us();
		ret = vmm->ops->pause(vmm, &pause->to_us, err);
		if (ret < 0 || !s->mailbox_gpa)
			return ret;
		ret = mailbox_read(vmm, s->mailbox_gpa, &page, err);
		if (ret != -ENOENT || i == ARM_TRIES)
			return ret;
		ret = vmm->ops->resume(vmm, &at_us, err);
		if (ret < 0)
			return ret;
		usleep(ARM_SLEEP_US);
	}
}

/* The pause: all that happens while the guest stands still. */
static int save_paused(struct snapshot *s, struct vmm *vmm,
		       const struct hold *hold, struct pause *pause,
		       bool *resumed, struct vf_err *err)
{
	uint64_t mib = s->hardware.config.memory_bytes >> 20;
	int64_t save_us =
		(int64_t)(SAVE_FIXED_MS + mib * SAVE_MS_PER_MIB) * 1000;
	int64_t resumed_us = 0;
	struct vf_err resume_err;
	int ret, resume_ret;

	ret = pause_armed(s, vmm, pause, err);
	if (!ret)
		ret = hold_check(hold, pause->to_us, err);
	if (!ret)
		ret = vmm->ops->save(vmm, s->dir_fd, vf_now_us() + save_us,
				     err);
	/* nothing may keep the source from going on */
	vmm->cancel_fd = -1;
	resume_ret = vmm->ops->resume(vmm, &resumed_us, &resume_err);
	*resumed = resume_ret == 0;
	if (resume_ret < 0 && !ret) {
		*err = resume_err;
		ret = vf_err_wrap(err, "resuming");
	}
	s->pause_us = resumed_us - pause->to_us;
	return ret;
}

/*
 * What the guest's clock was as it was paused: its forks are told. Asked right
 * before, for two clocks do not run alike for long.
 */
static void note_clock(struct snapshot *s, const struct request_answer *answer,
		       const struct pause *pause)
{
	if (request_clock(answer, pause->from_us, pause->to_us,
			  &s->guest_monotonic_ns, &s->monotonic_error_us) < 0)
		vf_log(VF_LOG_DEBUG, "the guest does not say what time it is");
}

/* The guest goes on; if it does not say so, it does when its time is up. */
static void release(struct snapshot *s, struct hold *hold)
{
	struct vf_err err;

	if (hold_end(hold, &err) < 0)
		vf_log(VF_LOG_WARN, "VM %s: %s", s->source, err.msg);
	s->release_us = hold->release_us;
}

/* All that its guest does for a snapshot, and what is written of it. */
static int save_held(struct snapshot *s, const struct vm *vm, struct vmm *vmm,
		     const struct hold_wish *wish, struct vf_err *err)
{
	struct request_answer answer = { 0 };
	struct request_to to;
	struct pause pause;
	struct guard guard;
	struct hold hold;
	int ret, cancel_fd = vmm->cancel_fd;
	bool resumed = true;

	request_to_init(&to, vm, vmm, s->mailbox_gpa);
	hold_init(&hold, &to, wish);
	ret = guard_start(&guard, vm, hold.wish ? to.gpa : 0, vmm, err);
	if (ret < 0)
		return ret;
	ret = hold_begin(&hold, err);
	if (!ret && to.gpa)
		request_probe(&to, PROBE_MS, &answer, &(struct vf_err){ 0 });
	if (!ret)
		ret = save_paused(s, vmm, &hold, &pause, &resumed, err);
	/* from here on, giving up means to put everything back */
	vmm->cancel_fd = -1;
	release(s, &hold);
	guard_stop(&guard, resumed && !hold.is_asked);
	vmm->cancel_fd = cancel_fd;
	s->prepare_us = hold.prepare_us;
	s->quiesced = hold.prepare_us && wish->quiesce;
	if (!ret)
		note_clock(s, &answer, &pause);
	return ret;
}

static int take_image(struct snapshot *s, const struct vm *vm, struct vmm *vmm,
		      const struct hold_wish *wish, struct vf_err *err)
{
	int ret = save_held(s, vm, vmm, wish, err);

	return ret < 0 ? ret
		       : vmm->ops->finish(s->dir_fd, &s->hardware.config,
					  &s->image, err);
}

/*
 * The mailbox was found only in the image: if the guest has something to do for
 * a snapshot, it can be asked only now, and that image is not the one.
 */
static int take_again(struct snapshot *s, const struct vm *vm, struct vmm *vmm,
		      const struct hold_wish *wish, struct vf_err *err)
{
	struct request_to to;
	struct hold hold;

	request_to_init(&to, vm, vmm, s->mailbox_gpa);
	hold_init(&hold, &to, wish);
	if (!hold.wish)
		return 0;
	unlinkat(s->dir_fd, VMM_MEMORY_FILE, 0);
	unlinkat(s->dir_fd, VMM_STATE_FILE, 0);
	return take_image(s, vm, vmm, wish, err);
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

static int take_attached(struct snapshot *s, const struct vm *vm,
			 struct vmm *vmm, const struct hold_wish *wish,
			 struct vf_err *err)
{
	enum vmm_state vm_state;
	struct stat st;
	int ret = vmm->ops->query(vmm, &vm_state, err);

	if (ret < 0)
		return ret;
	if (vm_state != VMM_STATE_RUNNING)
		return vf_err_set(err, EBUSY, "VM %s: not running", vm->name);
	s->mailbox_gpa = told_mailbox(vm, vmm);
	ret = keep_boot_files(s, vm, err);
	if (!ret)
		ret = take_image(s, vm, vmm, wish, err);
	if (!ret && !s->mailbox_gpa) {
		ret = find_mailbox(s, vm, vmm, err);
		if (!ret)
			ret = take_again(s, vm, vmm, wish, err);
	}
	if (ret < 0)
		return ret;
	/* a fork has to be the same machine, also under a newer engine */
	memcpy(s->hardware.config.machine, s->image.machine,
	       sizeof(s->image.machine));
	if (fstatat(s->dir_fd, VMM_MEMORY_FILE, &st, 0) == 0)
		s->dirty_bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int take_staged(struct snapshot *s, const struct vf_state *state,
		       const struct vm *vm,
		       const struct snapshot_request *request, int64_t start_us,
		       struct vf_err *err)
{
	struct vmm vmm;
	int ret;

	ret = vf_random(s->id, sizeof(s->id));
	if (ret < 0)
		return vf_err_errno(err, ret, "random numbers");
	ret = vm_attach(vm, &vmm, request->cancel_fd, err);
	if (ret < 0)
		return ret;
	ret = take_attached(s, vm, &vmm, &request->hold, err);
	vm_detach(&vmm);
	if (ret < 0)
		return ret;
	s->total_us = vf_now_us() - start_us;
	ret = manifest_save(s, err);
	if (!ret)
		ret = stage_publish(state, s->dir_fd, s->name, err);
	return ret;
}

int snapshot_take(struct snapshot *s, const struct vf_state *state,
		  const struct vm *vm, const struct snapshot_request *request,
		  struct vf_err *err)
{
	const char *name = request->name;
	int64_t start_us = vf_now_us();
	int ret;

	*s = (struct snapshot){
		.dir_fd = stage_open(state, name, err),
		.mode = request->mode,
		.created_s = time(NULL),
		.hardware = vm->hardware,
	};
	if (s->dir_fd < 0)
		return s->dir_fd;
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->source, sizeof(s->source), "%s", vm->name);
	snapshot_set_nics(s, vm);
	ret = take_staged(s, state, vm, request, start_us, err);
	if (ret < 0) {
		stage_discard(state, name);
		return vf_err_wrap(err, "snapshot %s", name);
	}
	return 0;
}
