/* SPDX-License-Identifier: MIT */
/*
 * A snapshot with all that it builds on: from the one that was asked for down to
 * the one that holds a whole memory image, which its forks map. The layers above
 * that are written into each fork's own memory before it runs.
 */
#ifndef VF_CHAIN_H
#define VF_CHAIN_H

#include "core/snapshot.h"

#define CHAIN_MAX 64

struct chain_link {
	struct snapshot snapshot;
	struct extents pages; /* of its layer; none in the lowest link */
	int fd;		      /* of its layer, or of the memory image */
	uint8_t *map;	      /* of its layer: only the kernel looks into it */
	uint64_t map_bytes;
};

struct chain {
	struct chain_link *links; /* the top one first */
	unsigned int num;
	uint64_t layer_pages; /* in all layers: at most so many are written */
};

/**
 * chain_open() - Open a snapshot's memory and all that it builds on
 * @chain:	out; chain_close() it, also after a failure
 * @state:	state directory
 * @name:	snapshot
 * @id:		the id that it must have; NULL: any
 * @err:	error
 *
 * Device states are not verified, see snapshot_open_link().
 *
 * Return: 0 or -errno, -ENOENT if one is missing, -ESTALE if one has another id
 */
int chain_open(struct chain *chain, const struct vf_state *state,
	       const char *name, const uint8_t *id, struct vf_err *err);

/**
 * chain_close() - Close it
 * @chain:	chain
 */
void chain_close(struct chain *chain);

/**
 * chain_push() - Put a layer that is being made on top
 * @chain:	chain
 * @pages:	what it has; taken over
 * @fd:		its file, readable; taken over
 *
 * Return: 0, -ELOOP if there is no room, -errno: then nothing is taken over
 */
int chain_push(struct chain *chain, struct extents *pages, int *fd);

/**
 * chain_base() - The snapshot whose memory file the forks map
 * @chain:	chain
 *
 * Return: it
 */
const struct snapshot *chain_base(const struct chain *chain);

/**
 * chain_bytes() - The size of the memory that the chain comes to
 * @chain:	chain
 *
 * Return: bytes
 */
uint64_t chain_bytes(const struct chain *chain);

/**
 * chain_offset() - Where memory begins in the base's file
 * @chain:	chain; its regions are in the order of memory, without gaps
 *
 * Return: bytes from the file's start
 */
uint64_t chain_offset(const struct chain *chain);

/**
 * chain_next() - The next pages that a layer has
 * @chain:	chain
 * @page:	from here on
 * @run:	out: which pages
 *
 * Return: the link whose pages they are, or NULL if there are no more
 */
const struct chain_link *chain_next(const struct chain *chain, uint64_t page,
				    struct extent *run);

/**
 * chain_read() - Read pages of the memory that the chain comes to
 * @chain:	chain
 * @page:	the first one's number
 * @buf:	out
 * @num:	how many
 *
 * Return: 0 or -errno
 */
int chain_read(const struct chain *chain, uint64_t page, uint8_t *buf,
	       uint64_t num);

/**
 * chain_mapped() - Where a fork has its memory, as the kernel tells
 * @chain:	chain
 * @vmm:	fork, which maps the base and need not be connected
 * @memory:	out
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT if it is not found: a file may have another number
 * there than where it is opened (overlay file systems)
 */
int chain_mapped(const struct chain *chain, const struct vmm *vmm,
		 struct vmm_memory *memory, struct vf_err *err);

/**
 * chain_locate() - The same; where the kernel does not tell, its engine does
 * @chain:	chain
 * @vmm:	fork, which maps the base
 * @memory:	out
 * @err:	error
 *
 * Return: 0 or -errno
 */
int chain_locate(const struct chain *chain, struct vmm *vmm,
		 struct vmm_memory *memory, struct vf_err *err);

/**
 * chain_warm() - Have the layers at hand that chain_apply() is about to write
 * @chain:	chain
 *
 * To be done while its forks' engines start.
 */
void chain_warm(const struct chain *chain);

/**
 * chain_apply() - Write the layers into the memory of a fork that does not run
 * @chain:	chain
 * @vmm:	fork, which maps the base
 * @err:	error
 *
 * For several forks at once, too.
 *
 * Return: 0 or -errno, -ECANCELED if the user gives up
 */
int chain_apply(const struct chain *chain, struct vmm *vmm, struct vf_err *err);

/**
 * chain_merge() - Write the memory that the chain comes to into one file
 * @chain:	chain
 * @dir_fd:	directory, in which VMM_MEMORY_FILE is made, durably; memory
 *		begins at its offset 0, zeros are holes
 * @cancel_fd:	readable when the user gives up; or -1
 * @written:	out: what it takes up, bytes
 * @err:	error
 *
 * Return: 0 or -errno, -ECANCELED; on failure nothing is left behind
 */
int chain_merge(const struct chain *chain, int dir_fd, int cancel_fd,
		uint64_t *written, struct vf_err *err);

#endif
