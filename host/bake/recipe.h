/* SPDX-License-Identifier: MIT */
/* What a guest gets: agent, hooks, modules, and what starts it all. */
#ifndef BAKE_RECIPE_H
#define BAKE_RECIPE_H

#include "bake/bake.h"
#include "bake/plan.h"

/**
 * recipe_plan() - Plan all that a request asks for
 * @plan:	out: sealed plan; plan_exit() it, also on failure
 * @view:	target, without what was baked into it before
 * @request:	request
 * @err:	error
 *
 * Return: 0 or -errno
 */
int recipe_plan(struct plan *plan, struct view *view,
		const struct bake_request *request, struct vf_err *err);

#endif
