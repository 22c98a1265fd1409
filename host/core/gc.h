/* SPDX-License-Identifier: MIT */
/*
 * What killed commands and dead VMs leave behind, and how it goes away. A
 * command that changes things leaves a mark while it does; the next such command
 * that finds the mark of a dead one collects first.
 */
#ifndef VF_GC_H
#define VF_GC_H

#include <jansson.h>

#include "core/state.h"

/**
 * gc_run() - Remove all that has no living owner
 * @state:	state directory
 * @removed:	out: array of strings, one for each thing removed; a new
 *		reference, also after a failure
 * @err:	error
 *
 * Return: 0 or -errno
 */
int gc_run(const struct vf_state *state, json_t **removed, struct vf_err *err);

/* What a command does to the state directory. */
enum gc_effect {
	GC_MAKES, /* if it is killed, something may be left */
	GC_FREES, /* it only takes away: works on a full disk, too */
};

/**
 * gc_command_begin() - Mark that a command is at work; collect if one died
 * @state:	state directory
 * @effect:	what it does
 * @err:	error
 *
 * Return: 0 or -errno
 */
int gc_command_begin(const struct vf_state *state, enum gc_effect effect,
		     struct vf_err *err);

/**
 * gc_command_end() - It is done
 * @state:	state directory
 */
void gc_command_end(const struct vf_state *state);

#endif
