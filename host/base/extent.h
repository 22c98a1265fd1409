/* SPDX-License-Identifier: MIT */
/* A set of pages as runs: which pages of a memory, in ascending order. */
#ifndef VF_EXTENT_H
#define VF_EXTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTENT_PAGE 4096 /* bytes */

struct extent {
	uint64_t page; /* the first one's number */
	uint64_t num;
};

struct extents {
	struct extent *runs;
	size_t num;
	size_t room;
	uint64_t pages; /* in all runs */
};

/**
 * extents_add() - Add pages behind those that are there
 * @set:	set; one of zeros is empty
 * @page:	the first one's number, not below the last run's end
 * @num:	how many; 0 adds nothing
 *
 * What touches the last run continues it.
 *
 * Return: 0, -EINVAL if they are not behind it, -ENOMEM
 */
int extents_add(struct extents *set, uint64_t page, uint64_t num);

/**
 * extents_next() - The run that has a page, or else the next one behind it
 * @set:	set
 * @page:	number
 *
 * Return: the first run that ends behind @page, or NULL
 */
const struct extent *extents_next(const struct extents *set, uint64_t page);

/**
 * extent_is_zero() - Does a page hold nothing but zeros?
 * @page:	EXTENT_PAGE bytes
 *
 * Return: true if so
 */
bool extent_is_zero(const uint8_t *page);

/**
 * extents_exit() - Free a set; it is empty afterwards
 * @set:	set
 */
void extents_exit(struct extents *set);

#endif
