/* SPDX-License-Identifier: MIT */
/* What is to be put into a target, item by item, before anything is written. */
#ifndef BAKE_PLAN_H
#define BAKE_PLAN_H

#include "bake/view.h"

#define PLAN_VERSION  1
#define PLAN_FILE_MAX (16 << 20) /* largest file that is put somewhere */

enum item_type { ITEM_DIR, ITEM_FILE, ITEM_LINK, ITEM_NUM };

/* Its parents come before it. */
struct item {
	enum item_type type;
	char *path; /* plain, and without symbolic links in it */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	char *data; /* contents, or a link's target; NUL terminated */
	size_t len;
	char *text; /* of a file that is there: what is added to it */
	char *kept; /* and where it is kept meanwhile */
};

struct plan {
	struct view *view;
	struct item *items;
	size_t num;
	uid_t uid; /* who has the target's /etc, has what is new */
	gid_t gid;
	int64_t mtime; /* of all that is new, seconds */
	json_t *manifest;
};

/**
 * plan_init() - Begin with an empty plan
 * @plan:	out; plan_exit() it
 * @view:	target, without what was baked into it before
 * @mtime:	time of all that is new, seconds
 * @err:	error
 *
 * Return: 0, -ENOENT if the target is no root file system, -errno
 */
int plan_init(struct plan *plan, struct view *view, int64_t mtime,
	      struct vf_err *err);

/**
 * plan_exit() - Free a plan
 * @plan:	plan; one of zeros is empty
 */
void plan_exit(struct plan *plan);

/**
 * plan_note() - Say something of all in the manifest
 * @plan:	plan
 * @key:	key
 * @value:	reference, taken over
 */
void plan_note(struct plan *plan, const char *key, json_t *value);

/**
 * plan_dir() - Have a directory, and those above it; one that is there stays
 * @plan:	plan
 * @path:	any path
 * @err:	error
 *
 * Return: 0 or -errno
 */
int plan_dir(struct plan *plan, const char *path, struct vf_err *err);

/**
 * plan_file() - Put a file where none may be
 * @plan:	plan
 * @path:	any path
 * @mode:	permissions
 * @data:	contents
 * @len:	their length
 * @err:	error
 *
 * Return: 0, -EEXIST if something is there, -errno
 */
int plan_file(struct plan *plan, const char *path, mode_t mode,
	      const void *data, size_t len, struct vf_err *err);

/**
 * plan_link() - Put a symbolic link where nothing may be
 * @plan:	plan
 * @path:	any path
 * @target:	what it says
 * @err:	error
 *
 * Return: 0, -EEXIST if something is there, -errno
 */
int plan_link(struct plan *plan, const char *path, const char *target,
	      struct vf_err *err);

/**
 * plan_edit() - Put text into a file that is there
 * @plan:	plan
 * @path:	any path
 * @at:		where, bytes from its start
 * @text:	text that is not in there yet
 * @err:	error
 *
 * Return: 0 or -errno
 */
int plan_edit(struct plan *plan, const char *path, size_t at, const char *text,
	      struct vf_err *err);

/**
 * plan_seal() - The plan is complete: write the manifest into it
 * @plan:	plan
 * @err:	error
 *
 * Again, after plan_note(), it is written anew.
 *
 * Return: 0 or -errno
 */
int plan_seal(struct plan *plan, struct vf_err *err);

#endif
