/* SPDX-License-Identifier: MIT */
/*
 * Whose it is to take VMs away. Who does so marks them under the lock of the state
 * and then needs it no more; who wants the same ones waits. A name alone tells
 * nothing after a wait: what it stood for may have gone, and be somebody else's now.
 */
#ifndef VF_REAP_MARK_H
#define VF_REAP_MARK_H

#include "core/vm.h"

/* What a name stands for: a directory's number alone may be given again. */
struct reap_id {
	uint64_t inode;
	int64_t made_s;
	uint32_t made_ns;
};

/**
 * reap_ids_new() - What names stand for, to be compared after a wait
 * @state:	state directory
 * @names:	array of names
 *
 * Return: one for each, all 0 where nothing is there; free() it; NULL without
 * memory
 */
struct reap_id *reap_ids_new(const struct vf_state *state, const json_t *names);

/**
 * reap_same() - Which of these stand for what they stood for?
 * @state:	state directory, locked
 * @names:	array of names
 * @ids:	of reap_ids_new()
 *
 * Return: array of those, a new reference
 */
json_t *reap_same(const struct vf_state *state, const json_t *names,
		  const struct reap_id *ids);

/**
 * reap_lock() - Lock the state once nobody else takes any of these away
 * @state:	state directory
 * @names:	array of names
 * @cancel_fd:	ends the wait when readable; or -1
 * @err:	error
 *
 * Return: as state_lock(); -EBUSY if it took the other too long, -ECANCELED
 */
int reap_lock(const struct vf_state *state, const json_t *names, int cancel_fd,
	      struct vf_err *err);

/**
 * reap_pick() - Which of these are there, and not another command's that makes them?
 * @state:	state directory, locked
 * @names:	array of names
 * @picked:	out: array of those, a new reference
 * @err:	error
 *
 * Return: 0 or -errno
 */
int reap_pick(const struct vf_state *state, const json_t *names,
	      json_t **picked, struct vf_err *err);

/**
 * reap_mark() - Say that they are the caller's to take away from here on
 * @state:	state directory, locked
 * @names:	array of names that reap_pick() has picked
 *
 * Return: 0; -errno if one cannot be marked: then none is
 */
int reap_mark(const struct vf_state *state, const json_t *names);

/**
 * reap_drop() - Remove a file of each that is there
 * @state:	state directory
 * @names:	array of names
 * @file:	in the run directory
 */
void reap_drop(const struct vf_state *state, const json_t *names,
	       const char *file);

/**
 * reap_unmark() - The reverse: what a failure leaves is for the next try
 * @state:	state directory
 * @names:	array of names that are there, or were marked
 */
void reap_unmark(const struct vf_state *state, const json_t *names);

/**
 * reap_is_none() - Is there nothing by that name that could be a VM?
 * @ret:	what vm_run_open() returned
 *
 * Return: true if so; false also if that cannot be told
 */
bool reap_is_none(int ret);

#endif
