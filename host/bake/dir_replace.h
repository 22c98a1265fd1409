/* SPDX-License-Identifier: MIT */
/* What was baked into a directory is replaced without a moment at which it is gone. */
#ifndef BAKE_DIR_REPLACE_H
#define BAKE_DIR_REPLACE_H

#include "bake/dir.h"

/**
 * dir_replace() - Put in a plan in the place of what a manifest says
 * @target:	directory
 * @old:	manifest of what is there
 * @plan:	plan, made without that
 * @err:	error
 *
 * Return: 0 or -errno
 */
int dir_replace(struct target *target, const json_t *old, struct plan *plan,
		struct vf_err *err);

/**
 * dir_replace_mend() - Take back or finish what a killed dir_replace() did
 * @dir:	directory
 * @journal:	its journal, which is ended
 * @err:	error
 *
 * Return: 0 or -errno
 */
int dir_replace_mend(struct dir *dir, const json_t *journal,
		     struct vf_err *err);

#endif
