/* SPDX-License-Identifier: MIT */
/*
 * What became of a fork beside its network, as its guest says: the status words
 * of a guest that may say anything.
 */
#ifndef VF_SETTLE_H
#define VF_SETTLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmfork_mailbox.h"

struct settle {
	bool is_known;
	bool has_window;
	struct vmfork_status status;
	/*
	 * How long after the snapshot, on the guest's clock, the random numbers
	 * were renewed: so long its workload may have drawn its parent's.
	 */
	int64_t reseed_window_us;
};

/**
 * settle_note() - Take note of what a guest says
 * @settle:		out
 * @status:		its status, unchecked
 * @monotonic_ns:	the guest's clock in the snapshot, 0 if unknown
 */
void settle_note(struct settle *settle, const struct vmfork_status *status,
		 uint64_t monotonic_ns);

/**
 * settle_judge() - Did all of it go well?
 * @settle:	what is known
 * @err:	error, which names each task that failed
 *
 * Return: 0 or -errno, the first task's
 */
int settle_judge(const struct settle *settle, struct vf_err *err);

/**
 * settle_pack() - As JSON
 * @settle:	what is known
 *
 * Return: a new reference: an object, or null if nothing is known
 */
json_t *settle_pack(const struct settle *settle);

/**
 * settle_refusal() - A guest could not do what its mail asked for
 * @error:	errno, as it came
 * @step:	enum vmfork_step, as it came
 * @detail:	see struct vmfork_status, as it came
 * @err:	error: what, and why
 *
 * Return: -errno
 */
int settle_refusal(uint32_t error, uint32_t step, uint32_t detail,
		   struct vf_err *err);

#endif
