/* SPDX-License-Identifier: MIT */
/* Cold runs that are cold: a snapshot that has to be read from its disk. */
#ifndef VF_COLD_H
#define VF_COLD_H

#include "core/snapshot.h"

/**
 * cold_drop() - Have the page cache forget a snapshot and all that it builds on
 * @state:	state directory
 * @snapshot:	snapshot
 * @err:	error
 *
 * All files of it, and nothing else: neither the engine's program nor other
 * snapshots. That nothing is left is checked.
 *
 * Return: 0 or -errno, -EBUSY if something keeps a part of it (a VM that maps
 * it), -ENOTSUP if it lies in memory
 */
int cold_drop(const struct vf_state *state, const struct snapshot *snapshot,
	      struct vf_err *err);

/**
 * cold_undo() - Have the page cache know all of a snapshot, after forks that were
 * cold
 * @state:	state directory
 * @snapshot:	snapshot
 * @err:	error
 *
 * Return: 0 or -errno
 */
int cold_undo(const struct vf_state *state, const struct snapshot *snapshot,
	      struct vf_err *err);

#endif
