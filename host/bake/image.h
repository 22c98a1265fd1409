/* SPDX-License-Identifier: MIT */
/*
 * An image with an ext4 file system in it as a target: raw, with partitions or
 * without, or qcow2. It is changed as a copy, which e2fsck has to find consistent
 * before it takes the image's place.
 */
#ifndef BAKE_IMAGE_H
#define BAKE_IMAGE_H

#include "bake/target.h"

/**
 * image_is_there() - Does a file look like an image?
 * @path:	file
 *
 * Return: true if so, false also if it cannot be read
 */
bool image_is_there(const char *path);

/**
 * image_open() - Open an image as a target
 * @out:	out: target, which its close() frees
 * @path:	file
 * @write:	whether it will be changed
 * @cancel_fd:	readable once the user gives up; or -1
 * @err:	error
 *
 * Return: 0 or -errno
 */
int image_open(struct target **out, const char *path, bool write, int cancel_fd,
	       struct vf_err *err);

#endif
