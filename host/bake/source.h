/* SPDX-License-Identifier: MIT */
/* What is baked: the files that `make install` puts below lib/vmfork, or a build. */
#ifndef BAKE_SOURCE_H
#define BAKE_SOURCE_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct source {
	int dir_fd;
	int64_t mtime; /* of the agent, or $SOURCE_DATE_EPOCH; seconds */
};

/* A file of it, or of the user's, in memory. */
struct source_file {
	char *data; /* NUL terminated */
	size_t len;
};

/**
 * source_open() - Find them
 * @source:	out; source_close() it
 * @err:	error
 *
 * $VMFORK_DATA, ../lib/vmfork as this program sees it, or beside this program.
 *
 * Return: 0 or -errno, -ENOENT if there is no agent
 */
int source_open(struct source *source, struct vf_err *err);

/**
 * source_close() - Forget them
 * @source:	source
 */
void source_close(struct source *source);

/**
 * source_read() - Read a file
 * @source:	source
 * @name:	file below its directory, or an absolute path
 * @file:	out: contents; the caller frees them
 * @err:	error
 *
 * Return: 0 or -errno
 */
int source_read(const struct source *source, const char *name,
		struct source_file *file, struct vf_err *err);

static inline void source_file_put(struct source_file *file)
{
	free(file->data);
}

#define __source_file __cleanup(source_file_put)

#endif
