/* SPDX-License-Identifier: MIT */
/*
 * A hold on a guest: what it keeps still from before a snapshot until that is
 * taken, its workload and, if it is quiesced, its file systems. Asked for through
 * the mailbox (PREPARE), given up through it (RELEASE) whatever becomes of the
 * snapshot; a guest that hears nothing more lets go by itself after HOLD_MS.
 *
 * For the very moment of the pause its agent can be had to spin (ARM), so that
 * forks begin inside it; the same RELEASE, or VMFORK_ARM_US_MAX, ends that.
 */
#ifndef VF_HOLD_H
#define VF_HOLD_H

#include "core/request.h"

/*
 * Longer than all that lies between the guest's answer and its pause, each of
 * which has a deadline of its own; not longer than that, for it is also how long
 * a guest waits in vain whose host died. How long the pause is does not matter:
 * nothing runs in it, and behind it the hold is over anyway.
 */
#define HOLD_MS 20000

/* What a snapshot wants of its guest. */
struct hold_wish {
	bool quiesce;		   /* run its hooks, freeze its file systems */
	enum vmfork_policy policy; /* of the hooks */
	unsigned int timeout_ms;   /* for getting ready */
	bool arm;		   /* have its agent spin, if it can */
};

struct hold {
	struct request_to to;
	const struct hold_wish *wish; /* NULL: nothing is to be held */
	bool is_asked;		      /* and not known to be undone */
	bool can_arm;	  /* it is wanted, and the agent knows how */
	bool is_spinning; /* it may, and somebody should end that */
	int64_t armed_us; /* not before then did it begin; 0: it was not asked */
	int64_t until_us;   /* then it lets go by itself; 0: it did not agree */
	int64_t prepare_us; /* how long getting ready took; 0: it did not */
	int64_t release_us; /* the same of going on */
};

/**
 * hold_init() - See whether there is anything to be held for a snapshot
 * @hold:	out: hold->wish is set if the user wants it, or the guest does, for
 *		it has a workload to freeze; hold->can_arm if that is wanted
 * @to:		guest; with an unknown page there is not
 * @wish:	what the user wants; has to outlive the hold
 */
void hold_init(struct hold *hold, const struct request_to *to,
	       const struct hold_wish *wish);

/**
 * hold_begin() - Have the guest prepare for a snapshot, if it is to
 * @hold:	hold; hold_end() it, also after a failure
 * @err:	error
 *
 * Return: 0 or -errno: -EREMOTEIO if the guest could not, -EOPNOTSUPP if its
 * agent answers no requests, -ETIMEDOUT, -ECANCELED
 */
int hold_begin(struct hold *hold, struct vf_err *err);

/**
 * hold_arm() - Have the agent spin, right before the pause
 * @hold:	hold; nothing is asked if it cannot
 * @answer:	out, if it answered, also that it has something else to do
 *
 * Each moment until the pause is one that the guest's processor loses.
 */
void hold_arm(struct hold *hold, struct request_answer *answer);

/**
 * hold_arm_unheard() - The same, where the pause is on its way already
 * @hold:	hold; nothing is asked if it cannot
 *
 * No answer is awaited, and the spin's own bound ends it: when the guest goes on
 * its memory is write-protected, and whoever writes to it waits for the engine.
 */
void hold_arm_unheard(struct hold *hold);

/**
 * hold_check() - Does the guest, now paused, still hold what it said?
 * @hold:	hold
 * @paused_us:	since when it is paused, on vf_now_us()'s clock
 * @err:	error
 *
 * Return: 0 or -ETIMEDOUT: too much time has passed since it answered
 */
int hold_check(const struct hold *hold, int64_t paused_us, struct vf_err *err);

/**
 * hold_end_spin() - Have the agent spin no more, also of a guest that is paused
 * @hold:	hold; nothing is done if it was not asked to
 *
 * Where the image is taken before the guest goes on, it need not spin until the
 * engine has said so. That this failed does not matter: see hold_end().
 */
void hold_end_spin(struct hold *hold);

/**
 * hold_end() - Let the guest, which runs, go on
 * @hold:	hold
 * @err:	error
 *
 * Return: 0, or -errno if it is not known that it did; it will by itself
 */
int hold_end(struct hold *hold, struct vf_err *err);

/**
 * hold_drop() - The same for a guest whose command was killed: no answer awaited
 * @to:		guest, whose page is known
 * @err:	error
 *
 * Return: 0 or -errno
 */
int hold_drop(const struct request_to *to, struct vf_err *err);

#endif
