/* SPDX-License-Identifier: MIT */
/* One branch, measured: between pause.c and pause_take.c. */
#ifndef VF_PAUSE_TAKE_H
#define VF_PAUSE_TAKE_H

#include "bench/pause.h"

/* A VM with the program, whose page is at @gpa. */
struct pause_vm {
	struct vm *vm;
	uint64_t gpa;
	uint64_t seq; /* of the last wish */
	int cancel_fd;
};

/**
 * pause_vm_wish() - Have the program do something else, and wait until it does
 * @pv:		VM
 * @bytes:	memory that it shall write once, and work on
 * @work:	what it does from then on
 * @rate_mib:	for PULSE_STEADY
 * @err:	error
 *
 * Return: 0 or -errno
 */
int pause_vm_wish(struct pause_vm *pv, uint64_t bytes, enum pulse_work work,
		  unsigned int rate_mib, struct vf_err *err);

/**
 * pause_take() - Take a snapshot, and remove it
 * @row:	in: its mode; out: taken and values
 * @state:	state directory
 * @plan:	plan
 * @pv:		VM
 * @err:	error
 *
 * Return: 0 or -errno
 */
int pause_take(struct pause_row *row, const struct vf_state *state,
	       const struct pause_plan *plan, const struct pause_vm *pv,
	       struct vf_err *err);

/**
 * pause_forget() - Remove a snapshot of ours
 * @state:	state directory
 * @name:	name
 */
void pause_forget(const struct vf_state *state, const char *name);

#endif
