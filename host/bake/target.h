/* SPDX-License-Identifier: MIT */
/* What is baked into: one file for each kind behind one table of operations. */
#ifndef BAKE_TARGET_H
#define BAKE_TARGET_H

#include "bake/plan.h"
#include "bake/view.h"

struct target;

struct target_ops {
	/* Put in what the plan says; nothing of it is there. */
	int (*apply)(struct target *target, struct plan *plan,
		     struct vf_err *err);
	/*
	 * Take out what the manifest says, which was checked. Directories that
	 * hold something else by now stay, and are all that @left has then.
	 */
	int (*undo)(struct target *target, const json_t *manifest, json_t *left,
		    struct vf_err *err);
	/*
	 * The plan, made without what the manifest says, takes its place: all of
	 * it, or nothing; if it fails later than that, the next command finishes
	 * it. NULL: undo and apply are as good, for nobody sees them.
	 */
	int (*replace)(struct target *target, const json_t *manifest,
		       struct plan *plan, struct vf_err *err);
	/* Until now nobody sees anything; NULL: everybody saw it all the time. */
	int (*commit)(struct target *target, struct vf_err *err);
	/* Without a commit all is as it was. */
	void (*close)(struct target *target);
};

struct target {
	const struct target_ops *ops;
	const char *kind; /* in words */
	/* who only looks: what says that a command is at it, or was killed; or NULL */
	const char *unfinished;
	struct view view;
};

/**
 * dir_open() - Open a directory as a target
 * @out:	out: target, which its close() frees
 * @path:	directory
 * @write:	whether it will be changed; what a killed command left is then
 *		taken back or finished first
 * @err:	error
 *
 * Return: 0 or -errno
 */
int dir_open(struct target **out, const char *path, bool write,
	     struct vf_err *err);

#endif
