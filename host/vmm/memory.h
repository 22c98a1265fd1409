/* SPDX-License-Identifier: MIT */
/*
 * Guest memory as pages of an engine's process: the same for all engines. A part
 * of the contract of vmm.h, which includes it.
 */
#ifndef VF_MEMORY_H
#define VF_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/extent.h"

struct vmm;

/* Guest memory in the engine's process: one piece, in the order of an image. */
struct vmm_memory {
	uint64_t hva;
	uint64_t bytes;
	bool has_base; /* it began as a snapshot's memory, not as zeros */
};

#define VMM_COPY_SLICES 4

/* The changed pages of one stretch of memory, copied. */
struct vmm_slice {
	uint64_t first; /* page of the stretch */
	uint64_t num;
	struct extents
		pages; /* that changed, counted from memory's beginning */
	uint8_t *buf;  /* the pages of all runs, one after the other */
	uint64_t room; /* bytes */
};

/* The changed pages of a VM: a slice for each processor that copies. */
struct vmm_copy {
	struct vmm_slice slices[VMM_COPY_SLICES];
	unsigned int num;
	uint64_t call_pages; /* so many with one call */
};

/**
 * vmm_memory_changed() - Which pages of guest memory has the VM made its own?
 * @vmm:	engine
 * @memory:	guest memory
 * @set:	out: all that were written since it booted or was forked;
 *		extents_exit() it, also after a failure
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vmm_memory_changed(const struct vmm *vmm, const struct vmm_memory *memory,
		       struct extents *set, struct vf_err *err);

/**
 * vmm_memory_touched() - Which pages of guest memory has a fork used at all?
 * @vmm:	engine, which need not be connected
 * @memory:	guest memory, mapped from an image
 * @set:	out: all that are mapped, those too that the kernel mapped beside
 *		them (fault-around, 64 KiB as a rule); extents_exit() it, also
 *		after a failure
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vmm_memory_touched(const struct vmm *vmm, const struct vmm_memory *memory,
		       struct extents *set, struct vf_err *err);

/**
 * vmm_copy_width() - How many processors copy changed pages?
 *
 * Return: 1 to VMM_COPY_SLICES
 */
unsigned int vmm_copy_width(void);

/**
 * vmm_copy_fits() - Would vmm_copy_open() find enough memory?
 * @memory:	guest memory
 * @changed:	see vmm_copy_open()
 * @slack:	see vmm_copy_open()
 *
 * Return: true if so
 */
bool vmm_copy_fits(const struct vmm_memory *memory,
		   const struct extents *changed, uint64_t slack);

/**
 * vmm_copy_open() - Make room for changed pages, such that filling it is fast
 * @copy:	out; vmm_copy_close() it, also after a failure
 * @memory:	guest memory
 * @changed:	what has changed by now
 * @slack:	bytes that may change until the VM stands, in each slice
 * @err:	error
 *
 * Return: 0 or -errno, -ENOMEM also if that is more than half of what the
 * machine has left
 */
int vmm_copy_open(struct vmm_copy *copy, const struct vmm_memory *memory,
		  const struct extents *changed, uint64_t slack,
		  struct vf_err *err);

/**
 * vmm_copy_close() - Free it
 * @copy:	copy
 */
void vmm_copy_close(struct vmm_copy *copy);

/**
 * vmm_memory_copy() - Find and copy the changed pages of a paused VM
 * @vmm:	engine
 * @memory:	guest memory
 * @copy:	where to
 * @err:	error
 *
 * Return: 0 or -errno, -ENOBUFS if there is not room enough
 */
int vmm_memory_copy(const struct vmm *vmm, const struct vmm_memory *memory,
		    struct vmm_copy *copy, struct vf_err *err);

/**
 * vmm_memory_mapped() - Where a fork has mapped the memory of its snapshot
 * @vmm:	engine, which need not be connected
 * @fd:		the snapshot's memory file
 * @offset:	where memory begins in it, bytes
 * @bytes:	size of guest memory
 * @memory:	out
 * @err:	error
 *
 * The kernel is asked: the engine has nothing to answer.
 *
 * Return: 0 or -errno, -ENOENT if it has not, or not in one piece
 */
int vmm_memory_mapped(const struct vmm *vmm, int fd, uint64_t offset,
		      uint64_t bytes, struct vmm_memory *memory,
		      struct vf_err *err);

#define VMM_HEADS_MAX 128

/**
 * vmm_memory_heads() - Read how pages of guest memory begin, which may change
 * @vmm:	engine, which need not be connected
 * @memory:	guest memory
 * @page:	the first one's number, from the memory's beginning
 * @num:	how many; at most VMM_HEADS_MAX
 * @heads:	out: one behind the other
 * @len:	bytes of each, at most a page
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vmm_memory_heads(const struct vmm *vmm, const struct vmm_memory *memory,
		     uint64_t page, size_t num, void *heads, size_t len,
		     struct vf_err *err);

/* Pages of guest memory and what they shall hold. */
struct vmm_patch {
	uint64_t page; /* the first one's number, from the memory's beginning */
	uint64_t num;
	const void *from; /* a mapping whose file is too short is no crash */
};

#define VMM_PATCHES_MAX 512

/**
 * vmm_memory_write() - Write pages of guest memory
 * @vmm:	engine, which need not be connected
 * @memory:	guest memory
 * @patches:	what
 * @num:	how many; at most VMM_PATCHES_MAX
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vmm_memory_write(const struct vmm *vmm, const struct vmm_memory *memory,
		     const struct vmm_patch *patches, size_t num,
		     struct vf_err *err);

/**
 * vmm_memory_collapse() - Have guest memory mapped as huge pages again
 * @vmm:	engine
 * @memory:	guest memory
 * @deadline_us: on vf_now_us()'s clock: begin nothing afterwards; it may take
 *		twice the time that there was. Nor when the user gives up
 *
 * A live save splits them, and protecting small pages takes ten times as long.
 * It is the VM that pays for it, in memory: pages that it never wrote, but which
 * were read by the save, become its own. So nothing is done if that would take
 * more than a quarter of what the machine has left, nor where it cannot be done.
 */
void vmm_memory_collapse(const struct vmm *vmm, const struct vmm_memory *memory,
			 int64_t deadline_us);

/**
 * vmm_memory_available() - How much memory has this machine left?
 *
 * Return: bytes, as the kernel estimates; 0 if unknown
 */
uint64_t vmm_memory_available(void);

#endif
