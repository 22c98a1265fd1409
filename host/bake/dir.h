/* SPDX-License-Identifier: MIT */
/*
 * A directory that holds a root file system. It cannot be replaced at once, so
 * there is a journal beside it, .NAME.vmfork-bake, as long as it is being changed:
 * manifest, and the times of the directories that were there. Whoever finds one
 * takes back what it says.
 *
 * Nothing in there is trusted. Each path is plain and is opened beneath the root,
 * without following any link, by the kernel (openat2), so whoever puts a link in
 * its way gets an error.
 */
#ifndef BAKE_DIR_H
#define BAKE_DIR_H

#include "bake/target.h"

#define DIR_TMP ".vmfork-bake"

struct dir {
	struct target target;
	int root_fd;
	int above_fd;		/* the directory that it is in */
	char journal[NAME_MAX]; /* in there */
};

/**
 * dir_at() - Open beneath the root
 * @dir:	directory
 * @path:	plain path, or "" for the root
 * @flags:	as for open(); O_CLOEXEC and O_NOFOLLOW come by themselves
 *
 * Return: descriptor or -errno
 */
int dir_at(const struct dir *dir, const char *path, int flags);

/**
 * dir_above() - Open the directory that a path is in
 * @dir:	directory
 * @path:	plain path
 * @name:	out: its last component, in @path
 *
 * Return: descriptor or -errno
 */
int dir_above(const struct dir *dir, const char *path, const char **name);

/**
 * journal_begin() - Note what is going to be changed
 * @dir:	directory
 * @manifest:	what is put in or taken out
 * @out:	out: journal, a new reference
 * @err:	error
 *
 * Return: 0 or -errno
 */
int journal_begin(struct dir *dir, const json_t *manifest, json_t **out,
		  struct vf_err *err);

/**
 * journal_load() - Is there one?
 * @dir:	directory
 * @out:	out: journal, a new reference, or NULL
 * @err:	error
 *
 * One that was written of another directory of this name is none.
 *
 * Return: 0 or -errno
 */
int journal_load(struct dir *dir, json_t **out, struct vf_err *err);

/**
 * journal_end() - All is done: directories have their times again, no journal
 * @dir:	directory
 * @journal:	journal
 * @err:	error
 *
 * Return: 0 or -errno
 */
int journal_end(struct dir *dir, const json_t *journal, struct vf_err *err);

/**
 * dir_take_back() - Take out what a manifest says
 * @dir:	directory
 * @manifest:	manifest
 * @left:	array that gets what had to stay, or NULL
 * @err:	error
 *
 * Return: 0 or -errno
 */
int dir_take_back(struct dir *dir, const json_t *manifest, json_t *left,
		  struct vf_err *err);

#endif
