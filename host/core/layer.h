/* SPDX-License-Identifier: MIT */
/*
 * A layer: the pages of guest memory that differ from the parent's. Each stands
 * in the layer's file where it stands in memory; the rest of the file is holes.
 * What a hole cannot say, whether a page is zeros or the parent's, the index
 * does: a list of the pages that the layer has (pagelist.h).
 */
#ifndef VF_LAYER_H
#define VF_LAYER_H

#include "base/err.h"
#include "base/extent.h"

/**
 * layer_index_save() - Write a layer's index, durably
 * @dir_fd:	the snapshot's directory
 * @pages:	what the layer has
 * @err:	error
 *
 * Return: 0 or -errno
 */
int layer_index_save(int dir_fd, const struct extents *pages,
		     struct vf_err *err);

/**
 * layer_index_load() - Read and verify it
 * @dir_fd:	the snapshot's directory
 * @memory_bytes: size of guest memory: no page is beyond it
 * @pages:	out; extents_exit() it, also after a failure
 * @err:	error
 *
 * Return: 0 or -errno, -EBADMSG if it does not verify
 */
int layer_index_load(int dir_fd, uint64_t memory_bytes, struct extents *pages,
		     struct vf_err *err);

#endif
