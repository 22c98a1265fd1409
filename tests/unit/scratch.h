/* SPDX-License-Identifier: MIT */
/* An empty directory of a test's own, which goes with all that is in it. */
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

struct scratch {
	char path[64];
	int dir_fd;
};

/**
 * scratch_init() - Make the directory
 * @scratch:	out; scratch_exit() it
 *
 * Return: 0 or -1, as cmocka wants it
 */
static inline int scratch_init(struct scratch *scratch)
{
	snprintf(scratch->path, sizeof(scratch->path), "/tmp/vmfork-unit.%d",
		 getpid());
	if (mkdir(scratch->path, 0700) < 0)
		return -1;
	scratch->dir_fd = open(scratch->path, O_DIRECTORY | O_CLOEXEC);
	return scratch->dir_fd < 0 ? -1 : 0;
}

/**
 * scratch_exit() - Remove it
 * @scratch:	directory
 *
 * Return: 0 or -errno
 */
static inline int scratch_exit(struct scratch *scratch)
{
	close(scratch->dir_fd);
	return vf_remove_tree(AT_FDCWD, scratch->path);
}

#endif
