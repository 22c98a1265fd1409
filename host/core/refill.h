/* SPDX-License-Identifier: MIT */
/* Filling the pool: now, or behind the back of a command that took from it. */
#ifndef VF_REFILL_H
#define VF_REFILL_H

#include "core/fork.h"

/* What the pool shall get. */
struct refill {
	const char *snapshot;
	uint8_t snapshot_id[SNAPSHOT_ID_LEN];
	unsigned int num;
	unsigned int num_links;
	struct vm_link
		links[VM_NICS_MAX]; /* networks, and without which family */
};

/**
 * refill_now() - Fill
 * @result:	out: one job per entry; fork_result_exit() it
 * @state:	state directory
 * @snapshot:	snapshot
 * @refill:	how many, on which networks
 * @cancel_fd:	readable when the user gives up; or -1
 * @err:	error
 *
 * Return: 0, also if some failed, or -errno; see fork_snapshot()
 */
int refill_now(struct fork_result *result, const struct vf_state *state,
	       const struct snapshot *snapshot, const struct refill *refill,
	       int cancel_fd, struct vf_err *err);

/**
 * refill_detached() - Fill by a process of its own
 * @state:	state directory
 * @refill:	what it fills with
 * @cancel_fd:	signalfd; there it is readable for signals to that process, which
 *		inherits what is blocked
 * @err:	error
 *
 * It is on nobody's way: what it cannot do is not told, but seen in the pool.
 * Only for a single-threaded caller.
 *
 * Return: 0 once it was started, or -errno
 */
int refill_detached(const struct vf_state *state, const struct refill *refill,
		    int cancel_fd, struct vf_err *err);

#endif
