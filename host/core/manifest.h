/* SPDX-License-Identifier: MIT */
/* A snapshot's manifest as JSON: used by the snapshot's own files only. */
#ifndef VF_MANIFEST_H
#define VF_MANIFEST_H

#include "core/snapshot.h"

/**
 * manifest_save() - Write a snapshot's manifest, durably
 * @snapshot:	snapshot whose files are all in its directory
 * @err:	error
 *
 * Return: 0 or -errno
 */
int manifest_save(const struct snapshot *snapshot, struct vf_err *err);

/**
 * manifest_load() - Read and verify a manifest, and the sizes of the files
 * @snapshot:	in: dir_fd; out: the rest
 * @state:	also the device state, which is read as a whole for that
 * @err:	error
 *
 * Return: 0 or -errno, -EBADMSG if it does not verify
 */
int manifest_load(struct snapshot *snapshot, bool state, struct vf_err *err);

#endif
