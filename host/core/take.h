/* SPDX-License-Identifier: MIT */
/*
 * A snapshot while it is taken: shared by take.c and a file for each mode, and
 * nobody else's business.
 */
#ifndef VF_TAKE_H
#define VF_TAKE_H

#include "core/guard.h"
#include "core/snapshot.h"

struct take {
	struct snapshot *s;
	const struct vf_state *state;
	const struct vm *vm;
	struct vmm *vmm;
	const struct snapshot_request *request;
	int64_t start_us;
};

/**
 * take_pause() - Pause the VM at a moment in which its mailbox is armed
 * @t:		snapshot
 * @pause:	out: paused_us
 * @err:	error
 *
 * Return: 0 or -errno; it may be paused after a failure, too
 */
int take_pause(struct take *t, struct vmm_pause *pause, struct vf_err *err);

/**
 * take_resume() - Let the VM go on, whatever happened
 * @t:		snapshot
 * @pause:	pause; out: resumed_us, and so the snapshot's pause_us
 * @ret:	what became of the snapshot so far
 * @resumed:	out: it runs
 * @err:	error; set if @ret is 0 and resuming failed
 *
 * Return: @ret, or -errno if that was 0 and the VM does not run
 */
int take_resume(struct take *t, struct vmm_pause *pause, int ret, bool *resumed,
		struct vf_err *err);

/**
 * take_running() - Tell whoever asked that the VM runs again
 * @t:		snapshot
 */
void take_running(struct take *t);

/**
 * take_save_ms() - How long writing all memory may take
 * @t:		snapshot
 *
 * Return: ms
 */
int64_t take_save_ms(const struct take *t);

/*
 * The modes. Each leaves the VM running, memory and state in the snapshot's
 * directory, and image, pause_us and dirty_bytes in the snapshot.
 */
int take_full(struct take *t, struct vf_err *err);
int take_live(struct take *t, struct vf_err *err);
int take_diff(struct take *t, struct vf_err *err);

/**
 * take_choose() - Which mode pauses the VM for the shortest time?
 * @t:		snapshot
 * @mode:	out
 * @err:	error
 *
 * Return: 0 or -errno
 */
int take_choose(struct take *t, enum snapshot_mode *mode, struct vf_err *err);

#endif
