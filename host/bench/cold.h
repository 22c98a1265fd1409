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
 * Its own files, and nothing else: neither the engine's program, the kernel and
 * the initrd, which are others' as well, nor the images that its disks' layers
 * build on. That nothing is left is checked.
 *
 * Return: 0 or -errno, -EBUSY if something keeps a part of it (a VM that maps
 * it), -ENOTSUP if it lies in memory
 */
int cold_drop(const struct vf_state *state, const struct snapshot *snapshot,
	      struct vf_err *err);

/**
 * cold_end() - Have the page cache know all of a snapshot, as if it had never been
 * dropped
 * @state:	state directory
 * @snapshot:	snapshot
 * @err:	error
 *
 * That nothing is missing is checked.
 *
 * Return: 0 or -errno, -EBUSY if there is no room for it
 */
int cold_end(const struct vf_state *state, const struct snapshot *snapshot,
	     struct vf_err *err);

#endif
