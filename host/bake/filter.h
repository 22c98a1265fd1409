/* SPDX-License-Identifier: MIT */
/* Compression of whole files, by libarchive. */
#ifndef BAKE_FILTER_H
#define BAKE_FILTER_H

#include "bake/lib.h"

/* Where it goes, at whose position it goes on. */
struct filter_output {
	int fd;
	off_t max;     /* how large that may become, bytes */
	int cancel_fd; /* readable once the user gives up; or -1 */
};

/**
 * filter_unpack() - Decompress a part of a file
 * @lib:	library
 * @from_fd:	file
 * @at:		where the part begins, bytes
 * @end:	in: where it ends at the latest; out: where it ends
 * @output:	destination
 * @err:	error
 *
 * Return: 0 or -errno, -ECANCELED
 */
int filter_unpack(const struct lib *lib, int from_fd, off_t at, off_t *end,
		  const struct filter_output *output, struct vf_err *err);

/**
 * filter_pack() - Compress a file
 * @lib:	library
 * @from_fd:	file, all of it
 * @to_fd:	destination
 * @filter:	ARCHIVE_FILTER_*
 * @cancel_fd:	readable once the user gives up; or -1
 * @err:	error
 *
 * The same input gives the same bytes.
 *
 * Return: 0 or -errno, -ECANCELED
 */
int filter_pack(const struct lib *lib, int from_fd, int to_fd, int filter,
		int cancel_fd, struct vf_err *err);

#endif
