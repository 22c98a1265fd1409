/* SPDX-License-Identifier: MIT */
/*
 * A file that is replaced at once: the new one is written beside it, gets its
 * permissions and its owner, and is renamed. Whoever is killed leaves one file
 * .NAME.vmfork-bake, which the next one removes.
 */
#ifndef BAKE_COPY_H
#define BAKE_COPY_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

#define COPY_NOW INT64_MIN

struct copy {
	int dir_fd;
	int old_fd; /* locked; what is there */
	int fd;	    /* what will be; -1: not begun */
	int cancel_fd;
	struct stat st; /* of the old one */
	char name[NAME_MAX + 1];
	char tmp[NAME_MAX + 1];
};

/**
 * copy_open() - Open the file that may be replaced
 * @copy:	out; copy_close() it, also on failure
 * @path:	file, or a link to one
 * @write:	whether it will be
 * @cancel_fd:	readable once the user gives up; or -1
 * @err:	error
 *
 * Return: 0 or -errno, -EBUSY if another command or a VM uses it
 */
int copy_open(struct copy *copy, const char *path, bool write, int cancel_fd,
	      struct vf_err *err);

/**
 * copy_begin() - Begin with an empty file
 * @copy:	copy
 * @err:	error
 *
 * Return: 0 or -errno
 */
int copy_begin(struct copy *copy, struct vf_err *err);

/**
 * copy_data() - Copy a part of a file, sharing blocks where that is possible
 * @from_fd:	source
 * @at:		where from, bytes
 * @to_fd:	destination, at whose position it goes on; holes stay holes
 * @len:	bytes
 * @cancel_fd:	readable once the user gives up; or -1
 *
 * Return: 0 or -errno, -ECANCELED
 */
int copy_data(int from_fd, off_t at, int to_fd, off_t len, int cancel_fd);

/**
 * copy_commit() - Let it take the place of the old one
 * @copy:	copy
 * @mtime_ns:	its time, or COPY_NOW
 * @err:	error
 *
 * Return: 0 or -errno. If all but the directory is on the disk it has taken its
 * place, and the error says so.
 */
int copy_commit(struct copy *copy, int64_t mtime_ns, struct vf_err *err);

/**
 * copy_close() - Forget it; what was not committed is gone
 * @copy:	copy
 */
void copy_close(struct copy *copy);

#endif
