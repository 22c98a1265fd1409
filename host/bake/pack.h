/* SPDX-License-Identifier: MIT */
/*
 * An archive, tar or cpio, as a target. What is baked is added at its end, where
 * it counts more than what stands before; so it is cut off again to the byte.
 *
 * A tar ends with zeros, in whose place it comes; where they began, and how many
 * there were, is in the manifest. Behind a cpio, or several, compressed or not, as
 * the kernel takes them for an initramfs, comes one more, uncompressed: the last
 * header in it, which has no other use, says where it began.
 */
#ifndef BAKE_PACK_H
#define BAKE_PACK_H

#include "bake/copy.h"
#include "bake/index.h"
#include "bake/target.h"

struct pack {
	struct target target;
	struct lib lib;
	struct copy copy;
	bool is_cpio;
	int filter;    /* of a tar: ARCHIVE_FILTER_* */
	int raw_fd;    /* all of it, unpacked; may be the file itself */
	off_t raw_max; /* how large that may become, bytes */
	off_t raw_size;
	struct index index;
	off_t old; /* size of what is edited: a tar unpacked, a cpio as it is */
	off_t cut; /* so much of that stays */
	off_t zeros;	  /* of a tar: then so many, if nothing is added */
	int64_t mtime_ns; /* before anything was baked in */
	char *tail;	  /* what is added, or NULL */
	size_t tail_len;
};

/**
 * pack_open() - Open an archive as a target
 * @out:	out: target, which its close() frees
 * @path:	file
 * @write:	whether it will be changed
 * @cancel_fd:	readable once the user gives up; or -1
 * @err:	error
 *
 * Return: 0 or -errno, -EBADMSG if it is none
 */
int pack_open(struct target **out, const char *path, bool write, int cancel_fd,
	      struct vf_err *err);

/**
 * pack_unpack() - Have it in one piece and uncompressed
 * @pack:	archive, of which nothing else is known
 * @err:	error
 *
 * Return: 0 or -errno
 */
int pack_unpack(struct pack *pack, struct vf_err *err);

/**
 * pack_index() - Index its first part
 * @pack:	archive
 * @end:	where that part ends in what is unpacked, bytes
 * @err:	error
 *
 * Return: where the zeros at the end of a tar begin, or -errno
 */
off_t pack_index(struct pack *pack, off_t end, struct vf_err *err);

/**
 * pack_tail() - Make what is added of a plan
 * @pack:	archive
 * @plan:	plan
 * @err:	error
 *
 * Return: 0 or -errno
 */
int pack_tail(struct pack *pack, const struct plan *plan, struct vf_err *err);

/**
 * pack_overlay() - Where does the cpio begin that was added?
 * @fd:		file
 * @size:	its size, bytes
 *
 * Return: bytes, or -1 if there is none
 */
off_t pack_overlay(int fd, off_t size);

/**
 * pack_zeros() - Skip zeros
 * @fd:		file
 * @at:		where to begin, bytes
 * @end:	where to end at the latest
 *
 * Return: where the first other byte stands, or @end; -errno
 */
off_t pack_zeros(int fd, off_t at, off_t end);

#endif
