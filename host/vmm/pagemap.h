/* SPDX-License-Identifier: MIT */
/*
 * Which pages of a process's memory are its own: changed since they were mapped.
 * Of a private mapping of a file these are the pages that were copied on write,
 * of anonymous memory all that were written; swapped ones, too. The kernel keeps
 * them apart anyhow, so nothing has to be logged.
 *
 * The kernel's page of zeros is mapped where anonymous memory was only read. In
 * a private mapping of a file it is there because KSM found that a page which
 * had been written holds zeros: that is a change.
 *
 * Source: Documentation/admin-guide/mm/pagemap.rst of Linux. The ioctl
 * PAGEMAP_SCAN is there from 6.7 on; before, a word per page has to be read.
 */
#ifndef VF_PAGEMAP_H
#define VF_PAGEMAP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/extent.h"

/* What to look for. */
enum pagemap_kind {
	PAGEMAP_PRIVATE, /* of memory that began as zeros: what is not zero */
	PAGEMAP_WRITTEN, /* of a private mapping of a file: what is not its */
	PAGEMAP_TOUCHED, /* of a private mapping of a file: written or looked at */
	PAGEMAP_SPLIT,	 /* present, but not mapped as huge pages */
	PAGEMAP_GUARDED, /* present, and write-protected by a userfaultfd */
	PAGEMAP_NUM
};

/**
 * pagemap_changed() - What a VM has changed is which kind of pages?
 * @has_base:	it was forked, and its memory is a private mapping of a file
 *
 * Return: the kind
 */
static inline enum pagemap_kind pagemap_changed(bool has_base)
{
	return has_base ? PAGEMAP_WRITTEN : PAGEMAP_PRIVATE;
}

/**
 * pagemap_scan() - Find the pages of a kind
 * @pid:	process
 * @hva:	its address where the memory begins, on a page boundary
 * @first:	page of it with which to begin
 * @num:	how many pages
 * @kind:	what to look for
 * @set:	out, empty before: pages, counted from the memory's first;
 *		extents_exit() it, also after a failure
 * @err:	error
 *
 * Return: 0 or -errno, -ENOTSUP if this kernel cannot tell PAGEMAP_SPLIT or
 * PAGEMAP_GUARDED
 */
int pagemap_scan(pid_t pid, uint64_t hva, uint64_t first, uint64_t num,
		 enum pagemap_kind kind, struct extents *set,
		 struct vf_err *err);

/**
 * pagemap_read() - pagemap_scan() as old kernels allow it
 * @pagemap_fd:	/proc/PID/pagemap
 * @hva:	see pagemap_scan()
 * @first:	see pagemap_scan()
 * @num:	see pagemap_scan()
 * @kind:	PAGEMAP_WRITTEN, PAGEMAP_TOUCHED; or PAGEMAP_PRIVATE: zeros that
 *		were only read are among them
 * @set:	see pagemap_scan()
 *
 * Return: 0 or -errno
 */
int pagemap_read(int pagemap_fd, uint64_t hva, uint64_t first, uint64_t num,
		 enum pagemap_kind kind, struct extents *set);

#endif
