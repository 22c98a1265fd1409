/* SPDX-License-Identifier: MIT */
/* One burst, measured: between burst.c and burst_take.c. */
#ifndef VF_BURST_TAKE_H
#define VF_BURST_TAKE_H

#include "bench/burst.h"
#include "bench/floor.h"

/**
 * burst_check() - Can that snapshot be forked, and only as it is meant to be?
 * @state:	state directory
 * @plan:	plan
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT, -EBUSY if the snapshot has a pool
 */
int burst_check(const struct vf_state *state, const struct burst_plan *plan,
		struct vf_err *err);

/**
 * burst_model() - See how the engine of a fork is started
 * @model:	out: floor_model_exit() it, also after a failure
 * @state:	state directory
 * @plan:	plan
 * @err:	error
 *
 * Return: 0 or -errno
 */
int burst_model(struct floor_model *model, const struct vf_state *state,
		const struct burst_plan *plan, struct vf_err *err);

/**
 * burst_take() - Start a burst, and end it
 * @row:	in: how many, and which variant; out: values
 * @state:	state directory
 * @plan:	plan
 * @model:	for the floor
 * @err:	error
 *
 * Return: 0 or -errno
 */
int burst_take(struct burst_row *row, const struct vf_state *state,
	       const struct burst_plan *plan, const struct floor_model *model,
	       struct vf_err *err);

#endif
