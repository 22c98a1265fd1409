/* SPDX-License-Identifier: MIT */
/*
 * A directory that holds a root file system. It cannot be replaced at once, so
 * there is a journal beside it, .NAME.vmfork-bake, as long as it is being changed:
 * manifest, what that replaces, and the times of the directories that were there.
 * Whoever finds one takes back what it says, or finishes it: see dir_replace.c.
 *
 * Nothing in there is trusted. Each path is plain and is opened beneath the root,
 * without following any link, by the kernel (openat2), so whoever puts a link in
 * its way gets an error.
 */
#ifndef BAKE_DIR_H
#define BAKE_DIR_H

#include <errno.h>
#include <stdbool.h>

#include "bake/target.h"

#define DIR_TMP ".vmfork-bake"

struct stat;

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

/* Nothing of ours is in what is no directory: did dir_at(), dir_above() say so? */
static inline bool dir_is_nowhere(int fd)
{
	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP;
}

/**
 * journal_begin() - Note what is going to be changed
 * @dir:	directory
 * @manifest:	what is put in or taken out
 * @old:	what is replaced by it, or NULL
 * @out:	out: journal, a new reference
 * @err:	error
 *
 * Return: 0 or -errno
 */
int journal_begin(struct dir *dir, const json_t *manifest, const json_t *old,
		  json_t **out, struct vf_err *err);

/**
 * journal_staged() - Note that all that is new is there, beside the old
 * @dir:	directory
 * @journal:	journal, which says so then: see journal_is_staged()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int journal_staged(struct dir *dir, json_t *journal, struct vf_err *err);
bool journal_is_staged(const json_t *journal);

/**
 * journal_unstaged() - Take that back, before what is new is dropped
 * @dir:	directory
 * @journal:	journal
 * @err:	error
 *
 * Return: 0 or -errno: what the disk says is not known then
 */
int journal_unstaged(struct dir *dir, json_t *journal, struct vf_err *err);

/**
 * journal_find() - Is there one?
 * @dir:	directory, in which nothing is changed
 * @out:	out: journal, a new reference, or NULL
 * @err:	error
 *
 * Return: 0, -ESTALE if it was written of another directory of this name; -errno
 */
int journal_find(const struct dir *dir, json_t **out, struct vf_err *err);

/**
 * journal_load() - journal_find() for who goes on from it
 * @dir:	directory
 * @out:	out: journal, a new reference, or NULL
 * @err:	error
 *
 * Return: 0 or -errno
 */
int journal_load(struct dir *dir, json_t **out, struct vf_err *err);

/**
 * journal_age_old() - What was to be replaced is there: so are its directories' times
 * @dir:	directory
 * @journal:	journal
 * @err:	error
 *
 * Return: 0 or -errno
 */
int journal_age_old(struct dir *dir, const json_t *journal, struct vf_err *err);

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

/**
 * dir_take() - Take out one item of a manifest, if it is still to be done
 * @dir:	directory
 * @item:	item
 * @left:	array that gets it if it has to stay, or NULL
 * @err:	error
 *
 * Return: 0 or -errno
 */
int dir_take(struct dir *dir, const json_t *item, json_t *left,
	     struct vf_err *err);

/**
 * dir_rewrite() - Put other contents into a file, at once
 * @above_fd:	where it is
 * @name:	its name; if there is none yet, it is made
 * @like:	whose, with which permissions and time, it is
 * @buf:	contents
 * @len:	their length, bytes
 *
 * Return: 0 or -errno
 */
int dir_rewrite(int above_fd, const char *name, const struct stat *like,
		const void *buf, size_t len);

/**
 * dir_make() - Make something new
 * @item:	what it is
 * @above_fd:	where
 * @name:	and by which name, which may be another one than the item's
 * @mtime:	its time, seconds; a directory's comes with dir_age()
 *
 * Return: 0 or -errno
 */
int dir_make(const struct item *item, int above_fd, const char *name,
	     int64_t mtime);

/**
 * dir_age() - Give all directories of a manifest the time of its file
 * @dir:	directory
 * @manifest:	manifest
 * @err:	error
 *
 * Only when all is there: what is put into a directory changes its time.
 *
 * Return: 0 or -errno
 */
int dir_age(struct dir *dir, const json_t *manifest, struct vf_err *err);

/**
 * dir_replace() - Put in a plan in the place of what a manifest says
 * @target:	directory
 * @old:	manifest of what is there
 * @plan:	plan, made without that
 * @err:	error
 *
 * Return: 0 or -errno
 */
int dir_replace(struct target *target, const json_t *old, struct plan *plan,
		struct vf_err *err);

/**
 * dir_replace_mend() - Take back or finish what a killed dir_replace() did
 * @dir:	directory
 * @journal:	its journal, which is ended
 * @err:	error
 *
 * Return: 0 or -errno
 */
int dir_replace_mend(struct dir *dir, const json_t *journal,
		     struct vf_err *err);

#endif
