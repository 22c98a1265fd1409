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
#include "base/log.h"
#include "core/mailbox.h"
#include "core/manifest.h"
#include "core/stage.h"
#include "core/take.h"

#define SAVE_FIXED_MS	30000
#define SAVE_MS_PER_MIB 100
#define ANSWER_YOUNG_US 100000

/* All that a mode may write. */
static const char *const image_files[] = {
	VMM_MEMORY_FILE, VMM_STATE_FILE,      VMM_DEVICES_FILE,
	VMM_SWEPT_FILE,	 SNAPSHOT_LAYER_FILE, SNAPSHOT_INDEX_FILE,
};

static const struct take_mode *const modes[] = {
	[SNAPSHOT_MODE_FULL] = &take_full,
	[SNAPSHOT_MODE_DIFF] = &take_diff,
	[SNAPSHOT_MODE_LIVE] = &take_live,
};
static_assert(ARRAY_SIZE(modes) == SNAPSHOT_MODE_AUTO, "the last is none");

void take_note_armed(struct take *t, const struct vmfork_mailbox *page)
{
	/* the page is the guest's: it cannot spin for what nobody asked */
	t->s->armed = t->armed_us && mailbox_is_spinning(page);
	t->s->spun_us = t->s->armed ? t->pause.paused_us - t->armed_us : 0;
}

void take_arm(struct take *t)
{
	hold_arm(t->hold, &t->answer);
	t->armed_us = t->hold->armed_us;
}

/*
 * The agent arms its mailbox anew after each restore and takes the magic away
 * for some instructions: a snapshot of just that moment could never be told
 * anything.
 */
int take_pause(struct take *t, struct vf_err *err)
{
	struct vmfork_mailbox page;
	struct vmm *vmm = t->vmm;
	int64_t at_us;
	int ret;

	for (int i = 0;; i++) {
		take_arm(t);
		t->pause.asked_us = vf_now_us();
		t->resumed = false;
		ret = vmm->ops->pause(vmm, &t->pause.paused_us, err);
		if (ret < 0 || !t->s->mailbox_gpa)
			break;
		ret = mailbox_read(vmm, t->s->mailbox_gpa, &page, err);
		if (!ret)
			take_note_armed(t, &page);
		if (ret != -ENOENT || i == TAKE_ARM_TRIES)
			break;
		ret = vmm->ops->resume(vmm, &at_us, err);
		if (ret < 0)
			return ret;
		usleep(TAKE_ARM_SLEEP_US);
	}
	if (!ret)
		ret = hold_check(t->hold, t->pause.paused_us, err);
	return ret < 0 ? ret : take_disks_pivot(t, err);
}

int take_resume(struct take *t, int ret, struct vf_err *err)
{
	struct vf_err why;
	int resume_ret;

	/* nothing may keep the source from going on */
	t->vmm->cancel_fd = -1;
	hold_end_spin(t->hold);
	resume_ret = t->vmm->ops->resume(t->vmm, &t->pause.resumed_us, &why);
	t->resumed = resume_ret == 0;
	if (resume_ret < 0 && !ret) {
		*err = why;
		ret = vf_err_wrap(err, "resuming");
	}
	return ret;
}

int64_t take_save_us(uint64_t memory_bytes)
{
	uint64_t mib = memory_bytes >> 20;

	return (int64_t)(SAVE_FIXED_MS + mib * SAVE_MS_PER_MIB) * 1000;
}

int64_t take_deadline_us(const struct take *t)
{
	return vf_now_us() + take_save_us(t->s->hardware.config.memory_bytes);
}

static int shoot_full(struct take *t, struct vf_err *err)
{
	int ret = take_pause(t, err);

	if (!ret)
		ret = t->vmm->ops->save(t->vmm, t->s->dir_fd,
					take_deadline_us(t), err);
	return take_resume(t, ret, err);
}

static int settle_full(struct take *t, struct vf_err *err)
{
	struct snapshot *s = t->s;
	struct stat st;
	int ret = t->vmm->ops->finish(s->dir_fd, &s->hardware.config, &s->image,
				      err);

	if (!ret && fstatat(s->dir_fd, VMM_MEMORY_FILE, &st, 0) == 0)
		s->dirty_bytes = (uint64_t)st.st_blocks * 512;
	return ret;
}

const struct take_mode take_full = {
	.shoot = shoot_full,
	.settle = settle_full,
};

/*
 * What the guest's clock was as it was paused: its forks are told. Asked right
 * before, for two clocks do not run alike for long.
 */
static void note_clock(struct take *t)
{
	if (request_clock(&t->answer, t->pause.asked_us, t->pause.paused_us,
			  &t->s->guest_monotonic_ns,
			  &t->s->monotonic_error_us) < 0)
		vf_log(VF_LOG_DEBUG, "the guest does not say what time it is");
}

/* Each question costs the caller until the guest has looked: a young answer does. */
static void ask_clock(struct take *t, uint64_t gpa)
{
	struct vf_err ignored;

	if (vf_now_us() - t->answer.answered_us > ANSWER_YOUNG_US)
		take_probe(t, gpa, &t->answer, &ignored);
}

/* The guest goes on; if it does not say so, it does when its time is up. */
static void release(struct take *t, struct hold *hold)
{
	struct vf_err err;

	if (hold_end(hold, &err) < 0)
		vf_log(VF_LOG_WARN, "VM %s: %s", t->s->source, err.msg);
	t->s->release_us = hold->release_us;
}

/* All that its guest does for a snapshot, and what is taken of it. */
static int shoot_held(struct take *t, struct vf_err *err)
{
	const struct hold_wish *wish = &t->request->hold;
	struct snapshot *s = t->s;
	struct vmm *vmm = t->vmm;
	struct request_to to;
	struct guard guard;
	struct hold hold;
	int ret, cancel_fd = vmm->cancel_fd;

	request_to_init(&to, t->vm, vmm, s->mailbox_gpa);
	hold_init(&hold, &to, wish);
	hold.can_arm &= !modes[s->mode]->is_soon || modes[s->mode]->is_soon(t);
	ret = guard_start(&guard, t->vm, hold.wish || hold.can_arm ? to.gpa : 0,
			  vmm, err);
	if (ret < 0)
		return ret;
	t->hold = &hold;
	t->armed_us = 0;
	t->resumed = true;
	ret = hold_begin(&hold, err);
	/* one that is armed may be asked too late to say so, or not be heard */
	if (!ret && to.gpa)
		ask_clock(t, to.gpa);
	if (!ret)
		ret = modes[s->mode]->shoot(t, err);
	/* from here on, giving up means to put everything back */
	vmm->cancel_fd = -1;
	/* one that stands still would not answer: it is the guard's */
	if (t->resumed)
		release(t, &hold);
	guard_stop(&guard, t->resumed && !hold.is_asked);
	vmm->cancel_fd = cancel_fd;
	t->hold = NULL;
	s->pause_us = t->pause.resumed_us - t->pause.paused_us;
	s->prepare_us = hold.prepare_us;
	s->quiesced = hold.prepare_us && wish->quiesce;
	if (!ret)
		note_clock(t);
	return ret;
}

void take_unlink(const struct take *t)
{
	t->s->parent[0] = '\0';
	memset(t->s->parent_id, 0, sizeof(t->s->parent_id));
	for (size_t i = 0; i < ARRAY_SIZE(image_files); i++)
		unlinkat(t->s->dir_fd, image_files[i], 0);
}

/* Prepare and shoot; what was made is cleaned by the caller. */
static int shoot_prepared(struct take *t, struct vf_err *err)
{
	const struct take_mode *mode = modes[t->s->mode];
	int ret = mode->prepare ? mode->prepare(t, err) : 0;

	if (!ret)
		ret = take_disks_open(t, err);
	return ret < 0 ? ret : shoot_held(t, err);
}

static void clean(struct take *t)
{
	const struct take_mode *mode = modes[t->s->mode];

	if (mode->clean)
		mode->clean(t);
}

/* Who left the choice to us is not refused because the guest is too busy. */
static bool has_other_way(const struct take *t, int ret)
{
	return (ret == -ENOBUFS || ret == -ENOMEM) && t->resumed &&
	       t->s->mode == SNAPSHOT_MODE_DIFF &&
	       t->request->mode == SNAPSHOT_MODE_AUTO;
}

/* Not before it is known that the VM is not held and paused once more. */
static void say_running(const struct take *t)
{
	if (t->request->running)
		t->request->running(t->s, t->request->ctx);
}

static int take_image(struct take *t, struct vf_err *err)
{
	struct vf_err ignored;
	int ret = shoot_prepared(t, err);

	if (has_other_way(t, ret)) {
		vf_log(VF_LOG_DEBUG, "snapshot %s: %s: taken whole", t->s->name,
		       err->msg);
		clean(t);
		take_unlink(t);
		t->s->mode = t->vmm->ops->live_check(t->vmm, &ignored) == 0
				     ? SNAPSHOT_MODE_LIVE
				     : SNAPSHOT_MODE_FULL;
		ret = shoot_prepared(t, err);
	}
	if (!ret && t->s->mailbox_gpa)
		say_running(t);
	if (!ret)
		ret = modes[t->s->mode]->settle(t, err);
	clean(t);
	return ret;
}

/*
 * The mailbox was found only in the image: if the guest has something to do for
 * a snapshot, it can be asked only now, and that image is not the one.
 */
static int take_again(struct take *t, struct vf_err *err)
{
	struct request_to to;
	struct hold hold;

	request_to_init(&to, t->vm, t->vmm, t->s->mailbox_gpa);
	hold_init(&hold, &to, &t->request->hold);
	if (!hold.wish) {
		say_running(t);
		return 0;
	}
	take_unlink(t);
	return take_image(t, err);
}

static int take_attached(struct take *t, struct vf_err *err)
{
	struct snapshot *s = t->s;
	enum vmm_state vm_state;
	int ret = t->vmm->ops->query(t->vmm, &vm_state, err);

	if (ret < 0)
		return ret;
	if (vm_state == VMM_STATE_STARVED) {
		vf_err_set(err, ENOSPC,
			   "VM %s: stands still, for want of room "
			   "for its disk",
			   t->vm->name);
		vf_err_hint(err, "make room in the state directory: 'vmfork "
				 "gc' lets it go on then");
		return -ENOSPC;
	}
	if (vm_state != VMM_STATE_RUNNING)
		return vf_err_set(err, EBUSY, "VM %s: not running",
				  t->vm->name);
	t->resumed = true;
	/* the page that the guest told of, if it still lives */
	if (take_probe(t, t->vm->mailbox_gpa, &t->answer, err) == 0)
		s->mailbox_gpa = t->vm->mailbox_gpa;
	if (s->mode == SNAPSHOT_MODE_AUTO)
		ret = take_choose(t, &s->mode, err);
	if (!ret)
		ret = take_image(t, err);
	if (!ret && !s->mailbox_gpa) {
		ret = take_find_mailbox(t, err);
		if (!ret)
			ret = take_again(t, err);
	}
	if (!ret)
		ret = take_disks_keep(t, err);
	if (!ret)
		ret = vm_place_boot_files(&t->vm->hardware, t->vm->run_fd,
					  s->dir_fd, true, err);
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
		/* what takes time, before others have to wait for it */
		if (fsync(s->dir_fd) < 0)
			return vf_err_errno(err, errno, "snapshot %s", s->name);
		lock_fd = state_lock(t->state, err);
		if (lock_fd < 0)
			return lock_fd;
		/* only which one it is counts */
		ret = snapshot_open_link(&parent, t->state, s->parent, err);
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
	/* what does not become a snapshot gives its room back first */
	if (ret < 0)
		take_unlink(t);
	take_disks_close(t);
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
	snapshot_set_nics(s, vm);
	ret = take_staged(&t, err);
	if (ret < 0) {
		stage_discard(state, request->name);
		return vf_err_wrap(err, "snapshot %s", request->name);
	}
	return 0;
}
