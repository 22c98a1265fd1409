/* SPDX-License-Identifier: MIT */
/*
 * A snapshot while it is taken: shared by take.c, a file for each mode, and
 * finisher.c, and nobody else's business.
 */
#ifndef VF_TAKE_H
#define VF_TAKE_H

#include "core/guard.h"
#include "core/hold.h"
#include "core/snapshot.h"

/* The agent arms anew after each restore: how often it is waited for. */
#define TAKE_ARM_TRIES	  20
#define TAKE_ARM_SLEEP_US 5000
#define TAKE_SLACK_BYTES  (8ULL << 20) /* may change until the VM stands */

struct take {
	struct snapshot *s;
	const struct vf_state *state;
	const struct vm *vm;
	struct vmm *vmm;
	const struct snapshot_request *request;
	int64_t start_us;
	struct hold *hold; /* on the guest, while it is shot */
	struct vmm_pause pause;
	bool resumed;		      /* the VM runs */
	int64_t armed_us;	      /* hold.h, of the hold that was */
	struct request_answer answer; /* the mailbox's last one, if it did */
	struct vmm_disks disks;	      /* before the pivot that is prepared */
	bool has_layer;		      /* it is prepared */
	void *priv;		      /* the mode's */
};

/**
 * struct take_mode - A way to take a snapshot
 *
 * In this order; @clean always, and all of it again if it has to be repeated.
 * All return 0 or -errno.
 */
struct take_mode {
	/** @prepare: what takes time and needs no pause; or NULL */
	int (*prepare)(struct take *t, struct vf_err *err);

	/**
	 * @is_soon: will the pause come while an agent spins that is asked to
	 * right before? NULL: it will
	 */
	bool (*is_soon)(const struct take *t);

	/**
	 * @shoot: pause the VM and take what there is. It runs afterwards,
	 * unless t->resumed says that it could not be made to.
	 */
	int (*shoot)(struct take *t, struct vf_err *err);

	/** @settle: image and dirty_bytes, and all files of the snapshot */
	int (*settle)(struct take *t, struct vf_err *err);

	/** @clean: free what @prepare made; or NULL */
	void (*clean)(struct take *t);
};

extern const struct take_mode take_full, take_live, take_diff;

/**
 * take_arm() - Have the guest's agent spin, if it is to, for a pause that follows
 * @t:		snapshot; out: armed_us, answer
 */
void take_arm(struct take *t);

/**
 * take_note_armed() - Note whether the guest's agent was spinning
 * @t:		snapshot; out: its armed and spun_us
 * @page:	its mailbox as it was paused
 */
void take_note_armed(struct take *t, const struct vmfork_mailbox *page);

/**
 * take_pause() - Pause the VM at a moment in which its mailbox is armed, and
 * pivot its disks
 * @t:		snapshot; out: pause.asked_us, pause.paused_us
 * @err:	error
 *
 * Return: 0 or -errno; it may be paused after a failure, too
 */
int take_pause(struct take *t, struct vf_err *err);

/**
 * take_resume() - Let the VM go on, whatever happened
 * @t:		snapshot; out: resumed, pause.resumed_us
 * @ret:	what became of the snapshot so far
 * @err:	error; set if @ret is 0 and resuming failed
 *
 * Return: @ret, or -errno if that was 0 and the VM does not run
 */
int take_resume(struct take *t, int ret, struct vf_err *err);

/**
 * take_disks_open() - Make ready for a pivot of all disks, before the pause
 * @t:		snapshot; out: disks; take_disks_close() them
 * @err:	error
 *
 * Return: 0, also if that has been done or there are none, -errno
 */
int take_disks_open(struct take *t, struct vf_err *err);

/**
 * take_disks_pivot() - The paused VM's disks are the snapshot's from here on
 * @t:		snapshot
 * @err:	error
 *
 * Return: 0 or -errno
 */
int take_disks_pivot(struct take *t, struct vf_err *err);

/**
 * take_disks_pivoted() - So they are, and it was the engine that did it
 * @t:		snapshot; out: its disks
 */
void take_disks_pivoted(struct take *t);

/**
 * take_disks_keep() - Put them into the snapshot's directory, durably
 * @t:		snapshot
 * @err:	error
 *
 * Return: 0 or -errno
 */
int take_disks_keep(struct take *t, struct vf_err *err);

/**
 * take_disks_close() - Take back what was not used
 * @t:		snapshot
 *
 * A VM that the snapshot has left no room to write goes on.
 */
void take_disks_close(struct take *t);

/**
 * take_unlink() - Remove what a mode has written: it is of no use
 * @t:		snapshot; out: without a parent
 */
void take_unlink(const struct take *t);

/**
 * take_save_us() - How long may all memory take to be written?
 * @memory_bytes: its size
 *
 * Return: us
 */
int64_t take_save_us(uint64_t memory_bytes);

/**
 * take_deadline_us() - When all memory should be written
 * @t:		snapshot
 *
 * Return: on vf_now_us()'s clock
 */
int64_t take_deadline_us(const struct take *t);

/**
 * take_probe() - Does a page that may be the mailbox live?
 * @t:		snapshot
 * @gpa:	page
 * @answer:	out: what it says; or NULL
 * @err:	error
 *
 * Return: 0 or -errno
 */
int take_probe(const struct take *t, uint64_t gpa,
	       struct request_answer *answer, struct vf_err *err);

/**
 * take_find_mailbox() - Find the mailbox in what was written
 * @t:		snapshot; out: its mailbox_gpa
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT, -ENOTUNIQ
 */
int take_find_mailbox(struct take *t, struct vf_err *err);

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
