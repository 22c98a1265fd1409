/* SPDX-License-Identifier: MIT */
/*
 * What a process was told when it started, changed in its memory: an engine that
 * was started ahead learns whose VM it runs only later.
 */
#ifndef VF_WORD_H
#define VF_WORD_H

#include <stddef.h>

#include "base/err.h"
#include "base/process.h"

#define WORD_PLACES 8

/* Where a process has something that it was told when it started. */
struct word {
	unsigned int num;
	uint64_t at[WORD_PLACES]; /* in its address space */
};

/**
 * word_find() - Where does a process have what it was told?
 * @proc:	process
 * @what:	bytes that are found nowhere else, random ones
 * @bytes:	how many, at most 4096
 * @word:	out: all places in which it has them as its own
 * @err:	error
 *
 * Return: 0, also if there is none, or -errno, -E2BIG for too many
 */
int word_find(const struct process *proc, const void *what, size_t bytes,
	      struct word *word, struct vf_err *err);

/**
 * word_change() - Have it believe that it was told something else
 * @proc:	process
 * @word:	where
 * @from:	what has to be there
 * @to:		what shall be
 * @bytes:	how many
 * @err:	error
 *
 * Return: 0 or -errno, -ESTALE if anything else is there: then that is left
 */
int word_change(struct process *proc, const struct word *word, const void *from,
		const void *to, size_t bytes, struct vf_err *err);

#endif
