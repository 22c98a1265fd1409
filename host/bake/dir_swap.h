/* SPDX-License-Identifier: MIT */
/*
 * What was made beside the old, as .NAME.vmfork-bake, takes its place. That may be
 * long after it was made, by the next command, so what somebody changed meanwhile
 * is looked for first, and stays.
 */
#ifndef BAKE_DIR_SWAP_H
#define BAKE_DIR_SWAP_H

#include "bake/dir.h"

/**
 * dir_swap_name() - The name that something has until it takes its place
 * @out:	out: name, NAME_MAX + 1 bytes
 * @name:	the one that it will have
 *
 * Return: 0 or -ENAMETOOLONG
 */
int dir_swap_name(char *out, const char *name);

/**
 * dir_swap_is_staged() - Is there something by that name?
 * @above_fd:	what dir_above() said
 * @name:	the name that it will have
 * @tmp:	out: see dir_swap_name()
 *
 * Return: 1, 0, or -errno
 */
int dir_swap_is_staged(int above_fd, const char *name, char *tmp);

/**
 * dir_swap_check() - May an item take its place?
 * @dir:	directory
 * @old:	manifest of what was there
 * @item:	item, no directory
 * @err:	error
 *
 * Return: 0, -ESTALE if what is there is neither of the old nor the new; -errno
 */
int dir_swap_check(struct dir *dir, const json_t *old, const json_t *item,
		   struct vf_err *err);

/**
 * dir_swap() - An item takes its place, if it is still to be done
 * @dir:	directory
 * @old:	manifest of what was there
 * @item:	item, no directory, which dir_swap_check() let pass
 * @err:	error
 *
 * A file that gets text and was changed since stays as it is, without the text; one
 * that was removed stays so.
 *
 * Return: 0 or -errno
 */
int dir_swap(struct dir *dir, const json_t *old, const json_t *item,
	     struct vf_err *err);

#endif
