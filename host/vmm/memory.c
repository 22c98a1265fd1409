// SPDX-License-Identifier: MIT
/*
 * Guest memory as pages of the engine's process: the same for all engines.
 * vmm.h holds the contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vmm/pagemap.h"
#include "vmm/vmm.h"

#define COLLAPSE_MAX  (1ULL << 30) /* of one call */
#define HUGE_PAGES    512
#define HUGE_BYTES    (HUGE_PAGES * (uint64_t)EXTENT_PAGE)
#define SPLIT_IGNORED 1024 /* pages: 50 us of a pause */

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

int vmm_memory_changed(const struct vmm *vmm, const struct vmm_memory *memory,
		       struct extents *set, struct vf_err *err)
{
	return pagemap_scan(vmm->proc.pid, memory->hva, 0,
			    memory->bytes / EXTENT_PAGE,
			    pagemap_changed(memory->has_base), set, err);
}

int vmm_memory_write(const struct vmm *vmm, const struct vmm_memory *memory,
		     uint64_t page, const void *buf, uint64_t num,
		     struct vf_err *err)
{
	struct iovec local = { (void *)buf, num * EXTENT_PAGE };
	struct iovec remote = {
		(void *)(uintptr_t)(memory->hva + page * EXTENT_PAGE),
		local.iov_len,
	};
	ssize_t n;

	if (num > memory->bytes / EXTENT_PAGE ||
	    page > memory->bytes / EXTENT_PAGE - num)
		return vf_err_set(err, EFAULT, "a page beyond guest memory");
	n = process_vm_writev(vmm->proc.pid, &local, 1, &remote, 1, 0);
	if (n != (ssize_t)local.iov_len)
		return vf_err_errno(err, n < 0 ? errno : EFAULT,
				    "guest memory");
	return 0;
}

uint64_t vmm_memory_available(void)
{
	__free char *text = NULL;
	unsigned long long kib = 0;
	struct vf_err ignored;
	char *line;

	if (vf_read_file(AT_FDCWD, "/proc/meminfo", 16384, &text, NULL,
			 &ignored) < 0)
		return 0;
	line = strstr(text, "\nMemAvailable:");
	if (!line || sscanf(line, "\nMemAvailable: %llu kB", &kib) != 1)
		return 0;
	return kib << 10;
}

static void collapse_range(const struct vmm *vmm,
			   const struct vmm_memory *memory, uint64_t first,
			   uint64_t end)
{
	struct iovec range = {
		(void *)(uintptr_t)(memory->hva + first * HUGE_BYTES),
		(end - first) * HUGE_BYTES,
	};

	/* what cannot be collapsed stays as it is, and costs its pause */
	syscall(SYS_process_madvise, vmm->proc.pidfd, &range, 1, MADV_COLLAPSE,
		0);
}

void vmm_memory_collapse(const struct vmm *vmm, const struct vmm_memory *memory)
{
	uint64_t first = 0, end = 0, last = memory->bytes / HUGE_BYTES;
	struct extents split;
	struct vf_err ignored;

	if (pagemap_scan(vmm->proc.pid, memory->hva, 0,
			 memory->bytes / EXTENT_PAGE, PAGEMAP_SPLIT, &split,
			 &ignored) < 0 ||
	    split.pages < SPLIT_IGNORED ||
	    /* zeros that are mapped take memory once they are collapsed */
	    split.pages * EXTENT_PAGE > vmm_memory_available() / 4) {
		extents_exit(&split);
		return;
	}
	for (size_t i = 0; i < split.num; i++) {
		const struct extent *e = &split.runs[i];
		uint64_t from = e->page / HUGE_PAGES;
		uint64_t to = (e->page + e->num + HUGE_PAGES - 1) / HUGE_PAGES;

		to = to < last ? to : last;
		if (from > end || (end - first) * HUGE_BYTES >= COLLAPSE_MAX) {
			collapse_range(vmm, memory, first, end);
			first = from > end ? from : end;
		}
		end = to > end ? to : end;
	}
	if (end > first)
		collapse_range(vmm, memory, first, end);
	extents_exit(&split);
}
