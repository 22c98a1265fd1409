// SPDX-License-Identifier: MIT
/*
 * The sweep, which makes a live save fast. QEMU copies one page after the other
 * and lets the guest write each as soon as it is saved: a change of the page
 * tables that all processors on which the guest runs have to hear of, 35 us a
 * page where that is a virtual machine itself. We copy 2 MiB at a time ahead of
 * it, lift the protection with one call through QEMU's own userfaultfd, and QEMU
 * finds nothing more to change there. The guest is held up for the shorter.
 *
 * A page that is protected after it was read is of the moment of the pause:
 * nobody has written it since. One that is not was saved by QEMU before. What
 * QEMU saves of a page that we let go may be newer; so what we have counts, and
 * all else is QEMU's. Its pages are not let go by us, protected or not.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "vmm/migration.h"
#include "vmm/pagemap.h"
#include "vmm/qemu.h"

#define SWEEP_PAGES 512 /* a huge page, which this way is not split */
#define SWEEP_BYTES ((size_t)SWEEP_PAGES * EXTENT_PAGE)
#define UFFD_LINK   "anon_inode:[userfaultfd]"

struct sweep {
	struct vmm *vmm;
	struct vmm_memory memory;
	uint64_t ram_offset; /* of guest memory in both files */
	int uffd;
	int to_fd;
	uint8_t *buf;
	struct extents *ours;
};

/* A descriptor of QEMU's, as ours. Return: it, or -errno, -ENOENT without one */
static int uffd_borrow(const struct process *proc)
{
	__closedir DIR *dir = NULL;
	struct dirent *entry;
	char path[64], link[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", proc->pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link,
					 sizeof(link) - 1);
		int fd;

		if (len < 0)
			continue;
		link[len] = '\0';
		if (strcmp(link, UFFD_LINK) != 0)
			continue;
		fd = (int)syscall(SYS_pidfd_getfd, proc->pidfd,
				  atoi(entry->d_name), 0);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

/* Let the guest write these. Those that it may not yet, QEMU lets go. */
static void let_go(const struct sweep *s, uint64_t page, uint64_t num)
{
	struct uffdio_writeprotect ask = {
		.range.start = s->memory.hva + page * EXTENT_PAGE,
		.range.len = num * EXTENT_PAGE,
	};

	ioctl(s->uffd, UFFDIO_WRITEPROTECT, &ask);
}

/* Write one run, but for its zeros, which are not there in QEMU's file either. */
static int write_run(struct sweep *s, uint64_t page, const uint8_t *data,
		     uint64_t num)
{
	uint64_t from = 0;
	int ret = 0;

	for (uint64_t i = 0; !ret && i <= num; i++) {
		if (i < num && !extent_is_zero(data + i * EXTENT_PAGE))
			continue;
		ret = vf_pwrite_all(
			s->to_fd, data + from * EXTENT_PAGE,
			(i - from) * EXTENT_PAGE,
			(off_t)(s->ram_offset + (page + from) * EXTENT_PAGE));
		from = i + 1;
	}
	return ret < 0 ? ret : extents_add(s->ours, page, num);
}

static int find_guarded(const struct sweep *s, uint64_t first, uint64_t num,
			struct extents *set)
{
	struct vf_err ignored;

	return pagemap_scan(s->vmm->proc.pid, s->memory.hva, first, num,
			    PAGEMAP_GUARDED, set, &ignored);
}

/* Return: 0, 1 if no more can be read, -errno if it could not be written */
static int sweep_some(struct sweep *s, uint64_t first, uint64_t num)
{
	struct iovec local = { s->buf, num * EXTENT_PAGE };
	struct iovec remote = {
		(void *)(uintptr_t)(s->memory.hva + first * EXTENT_PAGE),
		local.iov_len,
	};
	struct extents set = { 0 };
	bool stop = find_guarded(s, first, num, &set) < 0;
	int ret = 0;

	if (!stop && set.num) {
		extents_exit(&set);
		stop = process_vm_readv(s->vmm->proc.pid, &local, 1, &remote, 1,
					0) != (ssize_t)local.iov_len ||
		       find_guarded(s, first, num, &set) < 0;
	}
	for (size_t i = 0; !stop && !ret && i < set.num; i++) {
		const struct extent *e = &set.runs[i];

		ret = write_run(s, e->page,
				s->buf + (e->page - first) * EXTENT_PAGE,
				e->num);
		if (!ret)
			let_go(s, e->page, e->num);
	}
	extents_exit(&set);
	return ret < 0 ? ret : stop;
}

static int sweep_all(struct sweep *s, int64_t deadline_us, struct vf_err *err)
{
	uint64_t pages = s->memory.bytes / EXTENT_PAGE, num;
	int ret = 0;

	for (uint64_t at = 0; !ret && at < pages; at += num) {
		num = pages - at < SWEEP_PAGES ? pages - at : SWEEP_PAGES;
		/* who waits for QEMU says so */
		if (vf_check_cancel(s->vmm->cancel_fd) < 0 ||
		    vf_now_us() > deadline_us)
			break;
		ret = sweep_some(s, at, num);
	}
	return ret < 0 ? vf_err_errno(err, ret, VMM_SWEPT_FILE) : 0;
}

/*
 * Both files are there at once, for a while. What a tmpfs may hold is a limit,
 * not memory that is there.
 */
static bool has_room(int image_fd, uint64_t bytes)
{
	struct statfs st;

	return fstatfs(image_fd, &st) == 0 &&
	       (uint64_t)st.f_bavail * (uint64_t)st.f_bsize / 2 > bytes &&
	       (st.f_type != TMPFS_MAGIC || vmm_memory_available() / 2 > bytes);
}

/* What we need beside our own; why not is for who looks into it. */
static int sweep_init(struct sweep *s, int image_fd, struct vf_err *err)
{
	__close int fd = openat(image_fd, VMM_MEMORY_FILE,
				O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct migration_layout layout = { 0 };
	int ret;

	if (s->uffd < 0)
		return vf_err_errno(err, s->uffd, "QEMU's userfaultfd");
	if (fd < 0 || !s->buf)
		return vf_err_errno(err, errno, VMM_MEMORY_FILE);
	ret = qemu_memory(s->vmm, &s->memory, err);
	if (!ret)
		ret = migration_place(fd, QEMU_RAM_BLOCK, &layout, err);
	if (ret < 0)
		return ret;
	if (layout.ram_bytes != s->memory.bytes)
		return vf_err_set(err, EBADMSG, "memory: of another size");
	if (!has_room(image_fd, s->memory.bytes))
		return vf_err_set(err, ENOSPC, "no room for both files");
	s->ram_offset = layout.ram_offset;
	return 0;
}

int qemu_sweep(struct vmm *vmm, int image_fd, int64_t deadline_us,
	       struct extents *ours, struct vf_err *err)
{
	__close int uffd = uffd_borrow(&vmm->proc), to_fd = -1;
	__free uint8_t *buf = malloc(SWEEP_BYTES);
	struct vf_err why;
	struct sweep s = {
		.vmm = vmm,
		.uffd = uffd,
		.buf = buf,
		.ours = ours,
	};

	if (sweep_init(&s, image_fd, &why) < 0) {
		vf_log(VF_LOG_DEBUG, "QEMU copies memory alone: %s", why.msg);
		return 0;
	}
	to_fd = openat(image_fd, VMM_SWEPT_FILE,
		       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to_fd < 0)
		return vf_err_errno(err, errno, VMM_SWEPT_FILE);
	s.to_fd = to_fd;
	return sweep_all(&s, deadline_us, err);
}

struct copy {
	int from_fd, to_fd;
	int cancel_fd;
	uint8_t *buf; /* of SWEEP_BYTES */
};

/* Copy what there is in a stretch of a file. Return: 0 or -errno */
static int copy_data(const struct copy *c, uint64_t at, uint64_t end)
{
	while (at < end) {
		off_t data = lseek(c->from_fd, (off_t)at, SEEK_DATA), hole;
		size_t len;
		int ret;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(c->from_fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		at = (uint64_t)data;
		if (at >= end)
			break;
		len = (uint64_t)hole < end ? (uint64_t)hole - at : end - at;
		len = len < SWEEP_BYTES ? len : SWEEP_BYTES;
		ret = vf_check_cancel(c->cancel_fd);
		if (!ret)
			ret = vf_pread_all(c->from_fd, c->buf, len, (off_t)at);
		if (!ret)
			ret = vf_pwrite_all(c->to_fd, c->buf, len, (off_t)at);
		if (ret < 0)
			return ret;
		at += len;
	}
	return 0;
}

/* All that is not ours, from one file into the other. */
static int copy_rest(const struct copy *c, const struct extents *ours,
		     uint64_t ram_offset)
{
	struct stat st;
	uint64_t at = 0;
	int ret = fstat(c->from_fd, &st) < 0 ? -errno : 0;

	for (size_t i = 0; !ret && i < ours->num; i++) {
		const struct extent *e = &ours->runs[i];
		uint64_t begin = ram_offset + e->page * EXTENT_PAGE;

		ret = copy_data(c, at, begin);
		at = begin + e->num * EXTENT_PAGE;
	}
	if (!ret)
		ret = copy_data(c, at, (uint64_t)st.st_size);
	if (!ret && ftruncate(c->to_fd, st.st_size) < 0)
		ret = -errno;
	return ret;
}

int qemu_sweep_merge(int image_fd, const struct extents *ours, int cancel_fd,
		     struct vf_err *err)
{
	__close int from_fd = openat(image_fd, VMM_MEMORY_FILE,
				     O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	__close int to_fd = openat(image_fd, VMM_SWEPT_FILE,
				   O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	__free uint8_t *buf = malloc(SWEEP_BYTES);
	const struct copy copy = { from_fd, to_fd, cancel_fd, buf };
	struct migration_layout layout = { 0 };
	int ret;

	if (!ours->num)
		return to_fd < 0 || unlinkat(image_fd, VMM_SWEPT_FILE, 0) == 0
			       ? 0
			       : vf_err_errno(err, errno, VMM_SWEPT_FILE);
	if (from_fd < 0 || to_fd < 0 || !buf)
		return vf_err_errno(err, errno, "memory image");
	ret = migration_place(from_fd, QEMU_RAM_BLOCK, &layout, err);
	if (ret < 0)
		return ret;
	ret = copy_rest(&copy, ours, layout.ram_offset);
	if (!ret &&
	    renameat(image_fd, VMM_SWEPT_FILE, image_fd, VMM_MEMORY_FILE) < 0)
		ret = -errno;
	return ret < 0 ? vf_err_errno(err, ret, "memory image") : 0;
}
