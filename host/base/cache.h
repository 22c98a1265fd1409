/* SPDX-License-Identifier: MIT */
/* What the page cache has of a file. */
#ifndef VF_CACHE_H
#define VF_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * cache_is_volatile() - Is the page cache all that a file system has?
 * @fd:		a file or directory on it
 *
 * Return: true for tmpfs and its like
 */
bool cache_is_volatile(int fd);

/**
 * cache_missing() - How much of a stretch of a file is not in the page cache?
 * @fd:		file
 * @offset:	bytes, on a page boundary
 * @bytes:	length, not beyond the file's end
 *
 * Return: pages, or -errno
 */
int64_t cache_missing(int fd, off_t offset, uint64_t bytes);

/**
 * cache_drop() - Have the page cache forget a file
 * @fd:		file; what is not on disk yet is written
 *
 * Return: how many pages it keeps, for they are mapped or in use; -errno
 */
int64_t cache_drop(int fd);

#endif
