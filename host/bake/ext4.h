/* SPDX-License-Identifier: MIT */
/*
 * An ext4 file system in a file, read and written without being mounted, by the
 * tools of e2fsprogs. They are given no name of the image's but plain ones of
 * letters, digits and a few signs: what they read is a list of commands.
 */
#ifndef BAKE_EXT4_H
#define BAKE_EXT4_H

#include <stdbool.h>

#include "bake/plan.h"

struct ext4 {
	int fd;	      /* file, borrowed */
	off_t offset; /* of the file system in it, bytes */
	int cancel_fd;
	json_t *lists; /* what directories hold, as far as it was asked for */
};

/**
 * ext4_is_there() - Is there such a file system?
 * @fd:		file
 * @offset:	where it would begin, bytes
 *
 * Return: true if so
 */
bool ext4_is_there(int fd, off_t offset);

/**
 * ext4_is_clean() - Has its journal nothing to replay?
 * @fd:		file
 * @offset:	where it begins, bytes
 *
 * Return: true if so
 */
bool ext4_is_clean(int fd, off_t offset);

/**
 * ext4_look() - What is at a plain path?
 * @fs:		file system
 * @path:	path
 * @node:	out: what is there
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ext4_look(struct ext4 *fs, const char *path, struct view_node *node,
	      struct vf_err *err);

/**
 * ext4_read() - Read a regular file
 * @fs:		file system
 * @path:	plain path
 * @max:	the largest size that is accepted, bytes
 * @out:	out: contents, NUL terminated; the caller frees them
 * @len:	out: their length
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ext4_read(struct ext4 *fs, const char *path, size_t max, char **out,
	      size_t *len, struct vf_err *err);

/**
 * ext4_apply() - Put in what a plan says
 * @fs:		file system, writable
 * @plan:	plan
 * @err:	error
 *
 * Whether all is there is for the caller to look.
 *
 * Return: 0 or -errno
 */
int ext4_apply(struct ext4 *fs, const struct plan *plan, struct vf_err *err);

/**
 * ext4_undo() - Take out what a manifest says, which was checked
 * @fs:		file system, writable
 * @manifest:	manifest
 * @left:	array that gets the directories that have to stay
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ext4_undo(struct ext4 *fs, const json_t *manifest, json_t *left,
	      struct vf_err *err);

/**
 * ext4_check() - Find out that it is consistent
 * @fs:		file system, writable
 * @err:	error
 *
 * Return: 0 or -errno, -EUCLEAN if it is not
 */
int ext4_check(struct ext4 *fs, struct vf_err *err);

/**
 * ext4_exit() - Forget it
 * @fs:		file system
 */
void ext4_exit(struct ext4 *fs);

/**
 * ext4_run() - Run a list of commands of debugfs
 * @fs:		file system
 * @commands:	commands, a line each
 * @write:	whether they change anything
 * @out:	out: what it said; the caller frees it
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ext4_run(struct ext4 *fs, const char *commands, bool write, char **out,
	     struct vf_err *err);

/**
 * ext4_path_check() - May a path be part of a command?
 * @path:	path
 * @err:	error
 *
 * Return: 0 or -EINVAL
 */
int ext4_path_check(const char *path, struct vf_err *err);

#endif
