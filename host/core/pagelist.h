/* SPDX-License-Identifier: MIT */
/*
 * A list of pages of guest memory as a file has it:
 *
 *	magic (8 bytes), version (u32), crc32c over all that follows (u32),
 *	number of runs (u64), then of each the first page and how many (u64 each);
 *	ascending, apart from each other, little endian
 */
#ifndef VF_PAGELIST_H
#define VF_PAGELIST_H

#include "base/extent.h"

#define PAGELIST_MAGIC_LEN 8

/**
 * pagelist_size() - How many bytes a list takes
 * @num:	number of its runs
 *
 * Return: bytes
 */
size_t pagelist_size(size_t num);

/**
 * pagelist_pack() - Write a list down
 * @pages:	list
 * @magic:	what it is a list of
 * @len:	out: bytes
 *
 * Return: what the file is to hold, which the caller frees; NULL: no memory
 */
char *pagelist_pack(const struct extents *pages,
		    const char magic[PAGELIST_MAGIC_LEN], size_t *len);

/**
 * pagelist_parse() - Verify what a file holds, and read it
 * @text:	its contents
 * @len:	bytes
 * @magic:	what it has to be a list of
 * @memory_bytes: size of guest memory: no page is beyond it
 * @pages:	out; extents_exit() it, also after a failure
 *
 * Return: 0, -EBADMSG if it does not verify, -EPROTONOSUPPORT if it is of a version
 * that is not known here, -ENOMEM
 */
int pagelist_parse(const char *text, size_t len,
		   const char magic[PAGELIST_MAGIC_LEN], uint64_t memory_bytes,
		   struct extents *pages);

#endif
