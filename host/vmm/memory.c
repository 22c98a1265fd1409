// SPDX-License-Identifier: MIT
/* memory.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vmm/pagemap.h"
#include "vmm/vmm.h"

#define COLLAPSE_MIN \
	8 /* huge pages of the first call, 3 ms; then twice as many */
#define COLLAPSE_MAX  512
#define HUGE_PAGES    512
#define HUGE_BYTES    (HUGE_PAGES * (uint64_t)EXTENT_PAGE)
#define MAPS_MAX      (4 << 20)
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

int vmm_memory_touched(const struct vmm *vmm, const struct vmm_memory *memory,
		       struct extents *set, struct vf_err *err)
{
	return pagemap_scan(vmm->proc.pid, memory->hva, 0,
			    memory->bytes / EXTENT_PAGE, PAGEMAP_TOUCHED, set,
			    err);
}

/* One line of /proc/PID/maps: proc_pid_maps(5). */
struct mapping {
	uint64_t start, end, offset;
	ino_t inode;
	bool is_private;
};

static bool mapping_parse(struct mapping *m, const char *line)
{
	unsigned long long inode;
	char mode[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %llu",
		   &m->start, &m->end, mode, &m->offset, &inode) != 5)
		return false;
	m->inode = (ino_t)inode;
	m->is_private = mode[3] == 'p';
	return true;
}

int vmm_memory_mapped(const struct vmm *vmm, int fd, uint64_t offset,
		      uint64_t bytes, struct vmm_memory *memory,
		      struct vf_err *err)
{
	__free char *text = NULL;
	char path[64], *line, *rest;
	uint64_t have = 0;
	struct stat st;
	int ret;

	if (fstat(fd, &st) < 0)
		return vf_err_errno(err, errno, "guest memory");
	snprintf(path, sizeof(path), "/proc/%d/maps", vmm->proc.pid);
	ret = vf_read_file(AT_FDCWD, path, MAPS_MAX, &text, NULL, err);
	if (ret < 0)
		return ret;
	*memory = (struct vmm_memory){ .bytes = bytes, .has_base = true };
	for (line = strtok_r(text, "\n", &rest); line && have < bytes;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct mapping m;

		if (!mapping_parse(&m, line) || m.inode != st.st_ino ||
		    !m.is_private)
			continue;
		if (!have && m.offset == offset)
			memory->hva = m.start;
		/* the kernel may have split it */
		if (m.offset == offset + have && m.start == memory->hva + have)
			have += m.end - m.start;
	}
	return have < bytes
		       ? vf_err_set(err, ENOENT,
				    "guest memory: not mapped in one piece")
		       : 0;
}

int vmm_memory_write(const struct vmm *vmm, const struct vmm_memory *memory,
		     const struct vmm_patch *patches, size_t num,
		     struct vf_err *err)
{
	struct iovec local[VMM_PATCHES_MAX], remote[VMM_PATCHES_MAX];
	uint64_t pages = memory->bytes / EXTENT_PAGE;
	size_t bytes = 0;
	ssize_t n;

	for (size_t i = 0; i < num; i++) {
		const struct vmm_patch *p = &patches[i];

		if (p->num > pages || p->page > pages - p->num)
			return vf_err_set(err, EFAULT,
					  "a page beyond guest memory");
		local[i] =
			(struct iovec){ (void *)p->from, p->num * EXTENT_PAGE };
		remote[i] = (struct iovec){
			(void *)(uintptr_t)(memory->hva +
					    p->page * EXTENT_PAGE),
			local[i].iov_len,
		};
		bytes += local[i].iov_len;
	}
	n = process_vm_writev(vmm->proc.pid, local, num, remote, num, 0);
	if (n != (ssize_t)bytes)
		return vf_err_errno(err, n < 0 ? errno : EFAULT,
				    "guest memory");
	return 0;
}

int vmm_memory_heads(const struct vmm *vmm, const struct vmm_memory *memory,
		     uint64_t page, size_t num, void *heads, size_t len,
		     struct vf_err *err)
{
	struct iovec local = { heads, num * len }, remote[VMM_HEADS_MAX];
	ssize_t n;

	for (size_t i = 0; i < num; i++)
		remote[i] = (struct iovec){
			(void *)(uintptr_t)(memory->hva +
					    (page + i) * EXTENT_PAGE),
			len,
		};
	n = process_vm_readv(vmm->proc.pid, &local, 1, remote, num, 0);
	return n == (ssize_t)local.iov_len
		       ? 0
		       : vf_err_errno(err, n < 0 ? errno : EFAULT,
				      "guest memory");
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

/* Which huge pages are split, counted in them. Return: 0 or -errno */
static int find_split(const struct vmm *vmm, const struct vmm_memory *memory,
		      struct extents *huge)
{
	uint64_t pages = memory->bytes / HUGE_BYTES * HUGE_PAGES, end = 0;
	struct extents split;
	struct vf_err ignored;
	int ret = pagemap_scan(vmm->proc.pid, memory->hva, 0, pages,
			       PAGEMAP_SPLIT, &split, &ignored);

	if (!ret && split.pages < SPLIT_IGNORED)
		split.num = 0;
	for (size_t i = 0; !ret && i < split.num; i++) {
		const struct extent *e = &split.runs[i];
		uint64_t from = e->page / HUGE_PAGES;
		uint64_t to = (e->page + e->num + HUGE_PAGES - 1) / HUGE_PAGES;

		from = from > end ? from : end;
		if (to > from)
			ret = extents_add(huge, from, to - from);
		end = to > end ? to : end;
	}
	/* zeros that are mapped take memory once they are collapsed */
	if (split.pages * EXTENT_PAGE > vmm_memory_available() / 4)
		ret = -ENOMEM;
	extents_exit(&split);
	return ret;
}

void vmm_memory_collapse(const struct vmm *vmm, const struct vmm_memory *memory,
			 int64_t deadline_us)
{
	struct extents huge = { 0 };
	uint64_t step = COLLAPSE_MIN;

	if (find_split(vmm, memory, &huge) < 0)
		huge.num = 0;
	for (size_t i = 0; i < huge.num; i++) {
		const struct extent *e = &huge.runs[i];

		for (uint64_t at = 0;
		     at < e->num && vf_now_us() < deadline_us &&
		     vf_check_cancel(vmm->cancel_fd) == 0;
		     at += step, step = step < COLLAPSE_MAX ? 2 * step : step) {
			uint64_t left = e->num - at;
			struct iovec range = {
				(void *)(uintptr_t)(memory->hva +
						    (e->page + at) *
							    HUGE_BYTES),
				(left < step ? left : step) * HUGE_BYTES,
			};

			/* what cannot be stays as it is, and costs its pause */
			syscall(SYS_process_madvise, vmm->proc.pidfd, &range, 1,
				MADV_COLLAPSE, 0);
		}
	}
	extents_exit(&huge);
}
