/* SPDX-License-Identifier: MIT */
/* The partitions of a disk's image: GPT, or the four of an MBR. */
#ifndef BAKE_PARTITION_H
#define BAKE_PARTITION_H

#include <sys/types.h>

#define PARTITIONS_MAX 128

/**
 * partition_list() - Where do a disk's partitions begin?
 * @fd:		image
 * @size:	its size, bytes
 * @offsets:	out: bytes, PARTITIONS_MAX of them
 *
 * Return: how many, 0 if there is no table, -errno
 */
int partition_list(int fd, off_t size, off_t *offsets);

#endif
