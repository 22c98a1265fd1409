/* SPDX-License-Identifier: MIT */
/*
 * A root file system, looked at without being mounted: of a directory, an archive
 * or an image. Its symbolic links are hostile. They are followed here, in names
 * alone, and never out of the root; whoever writes gets a path without any.
 */
#ifndef BAKE_VIEW_H
#define BAKE_VIEW_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"

enum view_type { VIEW_NONE, VIEW_DIR, VIEW_FILE, VIEW_LINK, VIEW_OTHER };

struct view_node {
	enum view_type type;
	mode_t mode; /* permissions */
	uid_t uid;
	gid_t gid;
	int64_t mtime;	       /* seconds; of a directory as a target */
	char target[PATH_MAX]; /* of a symbolic link */
};

struct view;

struct view_ops {
	/* What is at a plain path (path_is_plain(), or "")? VIEW_NONE is no error. */
	int (*look)(struct view *view, const char *path, struct view_node *node,
		    struct vf_err *err);
	/* The contents of a regular file there; they end with a NUL. */
	int (*read)(struct view *view, const char *path, size_t max, char **out,
		    size_t *len, struct vf_err *err);
	/* Has a file that gets a line more another name meanwhile? */
	bool keeps;
};

/* Embedded in what implements it. */
struct view {
	const struct view_ops *ops;
	const json_t *hidden; /* manifest of what is not to be seen, or NULL */
};

/**
 * path_is_plain() - Is this a path below the root, with nothing to resolve?
 * @path:	path
 *
 * Return: true if relative, not empty, and without empty components, "." and ".."
 */
bool path_is_plain(const char *path);

/**
 * view_look() - What is at a plain path?
 * @view:	view
 * @path:	path
 * @node:	out: what is there; what @hidden names is not
 * @err:	error
 *
 * Return: 0 or -errno
 */
int view_look(struct view *view, const char *path, struct view_node *node,
	      struct vf_err *err);

/**
 * view_read() - Read a small file
 * @view:	view
 * @path:	plain path; what @hidden added to it is not read
 * @max:	the largest size that is accepted, bytes
 * @out:	out: contents, NUL terminated; the caller frees them
 * @len:	out: their length
 * @err:	error
 *
 * Return: 0 or -errno
 */
int view_read(struct view *view, const char *path, size_t max, char **out,
	      size_t *len, struct vf_err *err);

/**
 * view_resolve() - Follow symbolic links, inside the root
 * @view:	view
 * @path:	any path below the root
 * @plain:	out: the same without symbolic links, PATH_MAX bytes; "" is the root
 * @node:	out: what is there; VIEW_NONE if its end is missing
 * @err:	error
 *
 * Return: 0 or -errno, -ELOOP, -ENOTDIR
 */
int view_resolve(struct view *view, const char *path, char *plain,
		 struct view_node *node, struct vf_err *err);

/**
 * view_has() - Is there something of a certain type, links followed?
 * @view:	view
 * @path:	any path below the root
 * @type:	type
 *
 * Return: true if so
 */
bool view_has(struct view *view, const char *path, enum view_type type);

#endif
