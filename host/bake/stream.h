/* SPDX-License-Identifier: MIT */
/* A part of a file, read as an archive. */
#ifndef BAKE_STREAM_H
#define BAKE_STREAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "bake/lib.h"
#include "base/cleanup.h"
#include "base/err.h"

#define STREAM_BLOCK (64 << 10)

enum stream_format {
	STREAM_ANY, /* tar or cpio */
	STREAM_CPIO,
	STREAM_RAW, /* one entry: what is there, decompressed */
};

struct stream {
	const struct lib *lib;
	struct archive *archive;
	struct archive_entry *entry; /* the present one */
	int fd;
	off_t at, end; /* what is still to be read */
	char *block;
};

/**
 * stream_open() - Begin to read
 * @stream:	out; stream_close() it, also on failure
 * @lib:	library
 * @fd:		file
 * @at:		where the archive begins, bytes
 * @end:	where it ends at the latest
 * @format:	what it is
 * @err:	error
 *
 * Return: 0 or -errno
 */
int stream_open(struct stream *stream, const struct lib *lib, int fd, off_t at,
		off_t end, enum stream_format format, struct vf_err *err);

/**
 * stream_next() - Go on to the next entry
 * @stream:	stream
 * @err:	error
 *
 * Return: 1, 0 at the end, -EBADMSG
 */
int stream_next(struct stream *stream, struct vf_err *err);

/**
 * stream_read() - Read of the present entry's contents
 * @stream:	stream
 * @buf:	where to
 * @len:	bytes
 * @err:	error
 *
 * Return: bytes, 0 at their end, -EBADMSG
 */
ssize_t stream_read(struct stream *stream, void *buf, size_t len,
		    struct vf_err *err);

/**
 * stream_close() - End it
 * @stream:	stream
 */
void stream_close(struct stream *stream);

#define __stream __cleanup(stream_close)

#endif
