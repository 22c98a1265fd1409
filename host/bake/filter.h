/* SPDX-License-Identifier: MIT */
/* Compression of whole files, by libarchive. */
#ifndef BAKE_FILTER_H
#define BAKE_FILTER_H

#include "bake/lib.h"

/**
 * filter_unpack() - Decompress a part of a file
 * @lib:	library
 * @from_fd:	file
 * @at:		where the part begins, bytes
 * @end:	in: where it ends at the latest; out: where it ends
 * @to_fd:	destination, at whose position it goes on
 * @max:	how large that may become, bytes
 * @err:	error
 *
 * Return: 0 or -errno
 */
int filter_unpack(const struct lib *lib, int from_fd, off_t at, off_t *end,
		  int to_fd, off_t max, struct vf_err *err);

/**
 * filter_pack() - Compress a file
 * @lib:	library
 * @from_fd:	file, all of it
 * @to_fd:	destination
 * @filter:	ARCHIVE_FILTER_*
 * @err:	error
 *
 * The same input gives the same bytes.
 *
 * Return: 0 or -errno
 */
int filter_pack(const struct lib *lib, int from_fd, int to_fd, int filter,
		struct vf_err *err);

#endif
