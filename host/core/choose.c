// SPDX-License-Identifier: MIT
/*
 * Which way to take a snapshot pauses the VM for the shortest time. take.h: the
 * contract.
 *
 * A copy was measured as processor time of the call alone, on 1.5 GiB:
 * process_vm_readv() of pages of a private file mapping into huge pages that are
 * there (180 to 220 us a MiB on one processor, for runs and for every second page
 * alike). The rest are pauses by the engine's events: of a fork, 17.3 ms for
 * 1.5 GiB that is write-protected, whoever wrote it; 1.9 ms on huge pages, whatever
 * their number. A faster machine changes them all alike.
 */
#include <errno.h>

#include "base/log.h"
#include "core/chain.h"
#include "core/take.h"

#define DIFF_US		 3000 /* pausing, devices, resuming */
#define DIFF_US_PER_MIB	 200  /* copying changed pages, on one processor */
#define LIVE_US		 1500 /* huge pages are protected for next to nothing */
#define LIVE_US_PER_MIB	 11   /* of a file's memory, which has small ones */
#define DISKS_US	 4000 /* with disks, QEMU prepares it inside the pause */
#define DISKS_US_PER_MIB 4    /* looking at each page */

static bool has_base(struct take *t)
{
	struct chain chain;
	struct vf_err ignored;
	int ret = 0;

	if (!t->vm->snapshot[0])
		return true;
	ret = chain_open(&chain, t->state, t->vm->snapshot, t->vm->snapshot_id,
			 &ignored);
	chain_close(&chain);
	return ret == 0;
}

/* Return: how long the pause would be, us; INT64_MAX: too much; -errno */
static int64_t predict_diff(struct take *t, struct vf_err *err)
{
	struct vmm_memory memory;
	struct extents changed;
	int64_t mib;
	bool fits;
	int ret = t->vmm->ops->memory(t->vmm, &memory, err);

	if (ret < 0)
		return ret;
	memory.has_base = t->vm->snapshot[0];
	ret = vmm_memory_changed(t->vmm, &memory, &changed, err);
	mib = (int64_t)(changed.pages * EXTENT_PAGE >> 20);
	fits = !ret && vmm_copy_fits(&memory, &changed, TAKE_SLACK_BYTES);
	extents_exit(&changed);
	if (ret < 0)
		return ret;
	return fits ? DIFF_US + DIFF_US_PER_MIB * mib / vmm_copy_width()
		    : INT64_MAX;
}

static int64_t predict_live(const struct take *t)
{
	uint64_t mib = t->s->hardware.config.memory_bytes >> 20;

	int64_t us = t->vm->disks.num
			     ? DISKS_US + DISKS_US_PER_MIB * (int64_t)mib
			     : 0;

	/* a booted VM's memory is made huge again after each live save */
	return us + LIVE_US +
	       (t->vm->snapshot[0] ? LIVE_US_PER_MIB * (int64_t)mib : 0);
}

static int choose(struct take *t, bool can_live, enum snapshot_mode *mode,
		  struct vf_err *err)
{
	int64_t diff_us;

	*mode = can_live ? SNAPSHOT_MODE_LIVE : SNAPSHOT_MODE_FULL;
	if (!has_base(t))
		return 0;
	diff_us = predict_diff(t, err);
	if (diff_us < 0)
		return (int)diff_us;
	if (diff_us != INT64_MAX && (!can_live || diff_us < predict_live(t)))
		*mode = SNAPSHOT_MODE_DIFF;
	return 0;
}

int take_choose(struct take *t, enum snapshot_mode *mode, struct vf_err *err)
{
	struct vf_err why;
	bool can_live = t->vmm->ops->live_check(t->vmm, &why) == 0;
	int ret;

	if (!can_live && why.num != ENOTSUP) {
		*err = why;
		return -err->num;
	}
	ret = choose(t, can_live, mode, err);
	if (!ret && !can_live)
		vf_log(VF_LOG_INFO, "snapshot %s: %s: taken as %s", t->s->name,
		       why.msg, snapshot_mode_name(*mode));
	return ret;
}
