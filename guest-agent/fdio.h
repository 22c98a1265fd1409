/* SPDX-License-Identifier: MIT */
/* Descriptors of files, read and written to the end. */
#ifndef AGENT_FDIO_H
#define AGENT_FDIO_H

#include <stddef.h>
#include <sys/types.h>

/**
 * fdio_write() - Write all of it
 * @fd:		descriptor
 * @buf:	bytes
 * @len:	how many
 *
 * Return: 0 or -errno
 */
int fdio_write(int fd, const void *buf, size_t len);

/**
 * fdio_read() - Read until there is no more, or no more room
 * @fd:		descriptor
 * @buf:	where to
 * @size:	room in bytes
 *
 * Return: how many bytes, or -errno
 */
ssize_t fdio_read(int fd, void *buf, size_t size);

#endif
