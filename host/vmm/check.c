// SPDX-License-Identifier: MIT
/*
 * What the kernel here lacks of what branches need, tried on memory of our own
 * that is like a VM's. vmm.h holds the contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "vmm/pagemap.h"
#include "vmm/vmm.h"

#define HUGE_BYTES ((size_t)2 << 20)
#define MEMORY_BYTES \
	(2 * HUGE_BYTES) /* one huge page is in it, wherever it is */

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif

/* As QEMU does it, which has no part of its own that a fault could not wait for. */
static int open_uffd(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int ret, fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static int try_protect(void *mem, uint64_t features)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)mem, MEMORY_BYTES },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	__close int fd = open_uffd(features);

	if (fd < 0)
		return fd;
	if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0)
		return -errno;
	return reg.ioctls & (1ULL << _UFFDIO_WRITEPROTECT) ? 0 : -EOPNOTSUPP;
}

/* Memory as a booted VM has it (@fd is -1), or as a fork has it. */
static void *map(int fd)
{
	void *mem = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static int check_uffd(void)
{
	__close int fd = open_uffd(0);

	return fd < 0 ? fd : 0;
}

static int check_booted(void)
{
	void *mem = map(-1);
	int ret = mem ? try_protect(mem, UFFD_FEATURE_PAGEFAULT_FLAG_WP)
		      : -ENOMEM;

	if (mem)
		munmap(mem, MEMORY_BYTES);
	return ret;
}

static int check_forks(void)
{
	__close int fd = memfd_create("check", MFD_CLOEXEC);
	void *mem = fd < 0 || ftruncate(fd, MEMORY_BYTES) < 0 ? NULL : map(fd);
	int ret =
		mem ? try_protect(mem, UFFD_FEATURE_PAGEFAULT_FLAG_WP |
					       UFFD_FEATURE_WP_HUGETLBFS_SHMEM)
		    : -ENOMEM;

	if (mem)
		munmap(mem, MEMORY_BYTES);
	return ret;
}

static int check_scan(void)
{
	struct extents set = { 0 };
	struct vf_err ignored;
	void *mem = map(-1);
	int ret = mem ? pagemap_scan(getpid(), (uintptr_t)mem, 0, 1,
				     PAGEMAP_SPLIT, &set, &ignored)
		      : -ENOMEM;

	extents_exit(&set);
	if (mem)
		munmap(mem, MEMORY_BYTES);
	return ret;
}

static int check_collapse(void)
{
	__close int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	uint8_t *mem = map(-1);
	struct iovec range = { NULL, HUGE_BYTES };
	int ret;

	if (!mem)
		return -ENOMEM;
	memset(mem, 1, MEMORY_BYTES);
	range.iov_base = (void *)(((uintptr_t)mem + HUGE_BYTES - 1) &
				  ~(uintptr_t)(HUGE_BYTES - 1));
	ret = syscall(SYS_process_madvise, pidfd, &range, 1, MADV_COLLAPSE, 0) <
			      0
		      ? -errno
		      : 0;
	munmap(mem, MEMORY_BYTES);
	return ret;
}

static const struct {
	const char *name;
	int (*run)(void);
	const char *without; /* what is not to be had then */
} checks[] = {
	{ "userfaultfd", check_uffd, "no live branches" },
	{ "live, booted VMs", check_booted,
	  "their memory cannot be write-protected: use --mode diff or full" },
	{ "live, forks", check_forks,
	  "memory from a file cannot be write-protected: use --mode diff" },
	{ "PAGEMAP_SCAN", check_scan,
	  "changed pages are found page by page, which takes longer" },
	{ "collapse", check_collapse,
	  "live branches after the first pause a VM for longer" },
};

static void explain(struct vmm_check *check, int ret, const char *without)
{
	bool forbidden = ret == -EPERM || ret == -EACCES;

	snprintf(check->detail, sizeof(check->detail), "%s: %s%s",
		 strerror(-ret), without,
		 forbidden && !strcmp(check->name, checks[0].name)
			 ? "; be root, or set vm.unprivileged_userfaultfd"
			 : "");
}

unsigned int vmm_check(struct vmm_check *out, unsigned int room)
{
	unsigned int num = ARRAY_SIZE(checks);

	for (unsigned int i = 0; i < num && i < room; i++) {
		int ret = checks[i].run();

		out[i] = (struct vmm_check){ .name = checks[i].name,
					     .ok = ret == 0 };
		if (ret < 0)
			explain(&out[i], ret, checks[i].without);
	}
	return num < room ? num : room;
}
