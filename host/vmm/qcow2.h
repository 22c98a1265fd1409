/* SPDX-License-Identifier: MIT */
/*
 * As much of the qcow2 format as layers need: an empty one is made without
 * QEMU's tools, in the time of a system call or two, and an image of somebody
 * else's is looked at.
 *
 * Source: docs/interop/qcow2.txt of QEMU.
 */
#ifndef VF_QCOW2_H
#define VF_QCOW2_H

#include "base/err.h"
#include "vmm/disk.h"

#define QCOW2_BACKING_MAX 1023

/* What a layer stands on. */
struct qcow2_backing {
	const char *name; /* absolute path, or a file in the same directory */
	enum vmm_format format; /* never to be guessed from what is in it */
};

/**
 * qcow2_create() - Make an empty layer
 * @dir_fd:	directory
 * @name:	its name, which must not exist
 * @backing:	what it stands on
 * @bytes:	size of the disk
 * @err:	error
 *
 * Return: 0 or -errno; on failure nothing is left behind
 */
int qcow2_create(int dir_fd, const char *name,
		 const struct qcow2_backing *backing, uint64_t bytes,
		 struct vf_err *err);

/**
 * qcow2_probe() - What is in an image that somebody gave?
 * @path:	image
 * @format:	in: what it is said to be; out: what it is
 * @bytes:	out: size of the disk
 * @err:	error
 *
 * A raw image whose guest wrote another format's header looks like that one. So
 * one that is only believed to be qcow2 may not name any other file: it could
 * not have been made to show a file of the host's.
 *
 * Return: 0 or -errno, -EINVAL if it is none, -EBUSY if somebody writes it
 */
int qcow2_probe(const char *path, enum vmm_format *format, uint64_t *bytes,
		struct vf_err *err);

#endif
