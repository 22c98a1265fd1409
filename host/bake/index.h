/* SPDX-License-Identifier: MIT */
/* All names in an archive, as a tree: the last entry of a name counts. */
#ifndef BAKE_INDEX_H
#define BAKE_INDEX_H

#include "bake/stream.h"
#include "bake/view.h"

struct index {
	void *tree; /* of tsearch() */
	size_t num;
	bool has_dots; /* names begin with "./" */
};

/**
 * index_add() - Add the present entry of a stream
 * @index:	index; one of zeros is empty
 * @stream:	stream
 * @pos:	where the entry stands, bytes from the file's start
 * @err:	error
 *
 * Names that lead out of the root (with "..") are not added: nobody unpacks them.
 *
 * Return: 0 or -errno
 */
int index_add(struct index *index, struct stream *stream, off_t pos,
	      struct vf_err *err);

/**
 * index_look() - What is there?
 * @index:	index
 * @path:	plain path, or "" for the root
 * @node:	out: what is there; a hard link is a regular file
 */
void index_look(const struct index *index, const char *path,
		struct view_node *node);

/**
 * index_data() - Where a file's contents stand
 * @index:	index
 * @path:	plain path
 *
 * Return: where the entry stands that has them, bytes; -1 if there is none
 */
off_t index_data(const struct index *index, const char *path);

/**
 * index_exit() - Free it; it is empty afterwards
 * @index:	index
 */
void index_exit(struct index *index);

/**
 * index_plain() - An entry's name as a plain path
 * @out:	out: PATH_MAX bytes; "" is the root
 * @name:	name; hostile
 *
 * Return: 0, or -EINVAL if it leads out of the root or has no such form
 */
int index_plain(char *out, const char *name);

#endif
