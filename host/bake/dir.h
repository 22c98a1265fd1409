/* SPDX-License-Identifier: MIT */
/*
 * A directory that holds a root file system. It cannot be replaced at once: see
 * journal.h.
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

static inline struct dir *dir_of(struct target *target)
{
	return (struct dir *)target;
}

/* Nothing of ours is in what is no directory: did dir_at(), dir_above() say so? */
static inline bool dir_is_nowhere(int fd)
{
	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP;
}

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

#endif
