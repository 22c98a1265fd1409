/* SPDX-License-Identifier: MIT */
/*
 * Configuration files of the guest that are not the agent's alone. Paths are
 * relative to the agent's root directory; a symbolic link is somebody else's
 * business and is never followed in the last place.
 */
#ifndef AGENT_CONFFILE_H
#define AGENT_CONFFILE_H

#include <stdbool.h>
#include <stddef.h>

#define CONFFILE_MAX (4 << 20) /* bytes */

/* Should a line go? @line is not terminated, and without its newline. */
typedef bool (*conffile_cb)(const char *line, size_t len);

/**
 * conffile_is_plain() - Is there a file that may be written?
 * @root_fd:	root directory
 * @path:	relative to it
 *
 * Return: 0, -ENOENT, -ELOOP for a symbolic link, -EINVAL for what else is no
 * regular file, -errno
 */
int conffile_is_plain(int root_fd, const char *path);

/**
 * conffile_write() - Replace a file so that readers see the old or the new one
 * @root_fd:	root directory
 * @path:	relative to it
 * @text:	what it shall hold
 * @len:	bytes
 *
 * It keeps its mode and owner; a new one is 0644. One that is mounted by itself
 * cannot be replaced, and is overwritten.
 *
 * Return: 0 or -errno
 */
int conffile_write(int root_fd, const char *path, const char *text, size_t len);

/**
 * conffile_edit() - Take lines out of a file and append others
 * @root_fd:	root directory
 * @path:	relative to it
 * @drop:	which lines go
 * @text:	what is appended, whole lines
 *
 * Return: 0, -ENOENT, -ELOOP, -EINVAL as above, -EFBIG, -errno
 */
int conffile_edit(int root_fd, const char *path, conffile_cb drop,
		  const char *text);

#endif
