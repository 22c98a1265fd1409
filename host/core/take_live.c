// SPDX-License-Identifier: MIT
/* A snapshot of a VM that runs on while it is written. take.h: the contract. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/mailbox.h"
#include "core/take.h"

#define DISK_SHOTS 3

/* Making huge pages: for a caller that waits for the pause; for one that does not. */
#define COLLAPSE_SHORT_US 4000
#define COLLAPSE_LONG_US  10000000

/*
 * What lies between `migrate` and QEMU's own pause: its look at each page, and all
 * else. An agent needs half a millisecond to begin, so this much later is the
 * middle of its spin. Where what lies between is a guess over more than two spins,
 * spinning would be in vain.
 */
#define PREPARE_US     700
#define PREPARE_GIB_US 3500
#define PREPARE_US_MAX (2 * VMFORK_ARM_US_MAX)
#define LEAD_US \
	2400 /* from the request to the pause, if migrate is sent by then */

struct live {
	struct guard guard;
	bool has_guard;
};

/* The arm sequence of the mailbox; 0 where none is armed or known. */
static uint64_t arm_sequence(struct take *t)
{
	struct vmfork_mailbox page;
	struct vf_err ignored;

	if (!t->s->mailbox_gpa ||
	    mailbox_read(t->vmm, t->s->mailbox_gpa, &page, &ignored) < 0)
		return 0;
	return page.header.arm_seq;
}

static void make_run(struct take *t)
{
	struct vf_err err;

	t->vmm->cancel_fd = -1;
	t->resumed = vmm_revive(t->vmm, &err) == 0;
	if (!t->resumed)
		vf_log(VF_LOG_DEBUG, "VM %s: %s", t->s->source, err.msg);
}

static int64_t prepare_us(const struct take *t)
{
	uint64_t mib = t->s->hardware.config.memory_bytes >> 20;

	return PREPARE_US + (int64_t)(mib * PREPARE_GIB_US >> 10);
}

/* One with disks is paused by us. */
static bool is_soon_live(const struct take *t)
{
	return t->vm->disks.num || prepare_us(t) <= PREPARE_US_MAX;
}

/* QEMU prepares, and pauses then: the spin is to lie around that. */
static void begun_cb(void *ctx)
{
	struct take *t = ctx;
	int64_t us = prepare_us(t) - LEAD_US;

	if (us > 0 && t->hold->can_arm)
		usleep((useconds_t)us);
	hold_arm_unheard(t->hold);
	t->armed_us = t->hold->armed_us;
}

/* Pause and begin to write. The engine chooses the moment. */
static int begin(struct take *t, struct vf_err *err)
{
	const struct vmm_ops *ops = t->vmm->ops;
	const struct vmm_begun begun = { begun_cb, t };
	struct vf_err ignored;
	int ret;

	ret = take_disks_open(t, err);
	if (ret < 0)
		return ret;
	ret = ops->live_open(t->vmm, t->s->dir_fd, err);
	if (!ret) {
		if (t->disks.num)
			take_arm(t);
		ret = ops->live_begin(t->vmm, t->s->dir_fd, &t->disks, &begun,
				      &t->pause, take_deadline_us(t), err);
	}
	if (!ret)
		take_disks_pivoted(t);
	if (!ret)
		ret = hold_check(t->hold, t->pause.paused_us, err);
	if (ret < 0) {
		ops->live_end(t->vmm, t->s->dir_fd, 0, &ignored);
		make_run(t);
	}
	return ret;
}

/*
 * The mailbox is looked at before and after: no two armings have the same
 * sequence, so one that did not change was armed in between, too. Where it did,
 * that image is given up for another.
 */
static int shoot_live(struct take *t, struct vf_err *err)
{
	struct live *live = t->priv;
	/* each one that is given up has left a layer on each disk */
	int shots = t->vm->disks.num ? DISK_SHOTS : TAKE_ARM_TRIES;
	struct vf_err ignored;

	for (int i = 0;; i++) {
		uint64_t before = arm_sequence(t);
		int ret;

		if (t->s->mailbox_gpa && !before && i < TAKE_ARM_TRIES) {
			usleep(TAKE_ARM_SLEEP_US);
			continue;
		}
		ret = begin(t, err);
		if (ret < 0)
			return ret;
		if (i >= TAKE_ARM_TRIES || !--shots ||
		    arm_sequence(t) == before)
			break;
		t->vmm->ops->live_end(t->vmm, t->s->dir_fd, 0, &ignored);
		unlinkat(t->s->dir_fd, VMM_MEMORY_FILE, 0);
	}
	/* the one that is set goes with the hold; writing takes longer */
	live->has_guard =
		guard_start(&live->guard, t->vm, 0, t->vmm, &ignored) == 0;
	return 0;
}

/* The page is part of the image: the last word on whether it was armed. */
static int check_mailbox(struct take *t, struct vf_err *err)
{
	const struct snapshot *s = t->s;
	__close int fd = openat(s->dir_fd, VMM_MEMORY_FILE,
				O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct vmfork_mailbox page;

	if (fd < 0)
		return vf_err_errno(err, errno, VMM_MEMORY_FILE);
	for (unsigned int i = 0; i < s->image.num_regions; i++) {
		const struct vmm_region *r = &s->image.regions[i];

		if (s->mailbox_gpa < r->gpa ||
		    s->mailbox_gpa - r->gpa >= r->bytes)
			continue;
		if (vf_pread_all(fd, &page, sizeof(page),
				 (off_t)(r->offset + s->mailbox_gpa -
					 r->gpa)) == 0 &&
		    header_check(&page.header, s->mailbox_gpa) == 0) {
			take_note_armed(t, &page);
			return 0;
		}
	}
	return vf_err_set(err, EAGAIN,
			  "the mailbox was not armed at that moment");
}

/*
 * A live save leaves small pages behind, which the next pause would pay for. So
 * they are made huge afterwards, before anybody else can branch. A fork's memory
 * is its image's file, and that one stays as it is.
 */
static void collapse(struct take *t, int64_t room_us)
{
	struct vmm_memory memory;
	struct vf_err ignored;

	if (!t->vm->snapshot[0] &&
	    t->vmm->ops->memory(t->vmm, &memory, &ignored) == 0)
		vmm_memory_collapse(t->vmm, &memory, vf_now_us() + room_us);
}

static int prepare_live(struct take *t, struct vf_err *err)
{
	int ret;

	t->priv = calloc(1, sizeof(struct live));
	if (!t->priv)
		return vf_err_errno(err, ENOMEM, "snapshot");
	ret = t->vmm->ops->live_check(t->vmm, err);
	/* what the last one left, for it was given up, or others did */
	if (!ret)
		collapse(t, t->request->running ? COLLAPSE_SHORT_US
						: COLLAPSE_LONG_US);
	return ret;
}

static int settle_live(struct take *t, struct vf_err *err)
{
	const struct vmm_ops *ops = t->vmm->ops;
	struct snapshot *s = t->s;
	struct stat st;
	int ret = ops->live_end(t->vmm, s->dir_fd, take_deadline_us(t), err);

	if (ret < 0) {
		make_run(t);
		return ret;
	}
	ret = ops->finish(s->dir_fd, &s->hardware.config, &s->image, err);
	if (!ret && s->mailbox_gpa)
		ret = check_mailbox(t, err);
	if (!ret && fstatat(s->dir_fd, VMM_MEMORY_FILE, &st, 0) == 0)
		s->dirty_bytes = (uint64_t)st.st_blocks * 512;
	if (!ret)
		collapse(t, COLLAPSE_LONG_US);
	return ret;
}

static void clean_live(struct take *t)
{
	struct live *live = t->priv;

	if (live && live->has_guard)
		guard_stop(&live->guard, t->resumed);
	free(live);
	t->priv = NULL;
}

const struct take_mode take_live = {
	.prepare = prepare_live,
	.is_soon = is_soon_live,
	.shoot = shoot_live,
	.settle = settle_live,
	.clean = clean_live,
};
