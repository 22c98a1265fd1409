/* SPDX-License-Identifier: MIT */
/*
 * What a change of a directory began with. It is beside the directory, as
 * .NAME.vmfork-bake, as long as that is being changed: manifest, what that replaces,
 * and the times of the directories that were there. Whoever finds one takes back what
 * it says, or finishes it: see dir_replace.h.
 */
#ifndef BAKE_JOURNAL_H
#define BAKE_JOURNAL_H

#include "bake/dir.h"

/**
 * journal_begin() - Note what is going to be changed
 * @dir:	directory
 * @manifest:	what is put in or taken out
 * @old:	what is replaced by it, or NULL
 * @out:	out: journal, a new reference; if it failed, NULL where none is on the
 *		disk, and so nothing to go back from
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

#endif
