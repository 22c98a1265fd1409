// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cache.h"

#define PAGE   4096
#define WINDOW (64ULL << 20) /* bytes that are mapped at a time */

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5 */
#endif

/* linux/mman.h, which distributions' headers do not have yet */
struct range {
	uint64_t off;
	uint64_t len;
};

struct stat_of {
	uint64_t cached; /* pages */
	uint64_t dirty;
	uint64_t writeback;
	uint64_t evicted;
	uint64_t recently_evicted;
};

bool cache_is_volatile(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* As older kernels tell it. Nobody looks into what is mapped. */
static int64_t look(int fd, off_t offset, uint64_t bytes)
{
	uint8_t present[WINDOW / PAGE];
	uint64_t pages = (bytes + PAGE - 1) / PAGE;
	int64_t missing = 0;
	void *map = mmap(NULL, bytes, PROT_NONE, MAP_SHARED, fd, offset);
	int ret;

	if (map == MAP_FAILED)
		return -errno;
	ret = mincore(map, bytes, present) < 0 ? -errno : 0;
	munmap(map, bytes);
	for (uint64_t i = 0; i < pages; i++)
		missing += !(present[i] & 1);
	return ret < 0 ? ret : missing;
}

int64_t cache_missing(int fd, off_t offset, uint64_t bytes)
{
	struct range range = { (uint64_t)offset, bytes };
	uint64_t pages = (bytes + PAGE - 1) / PAGE;
	struct stat_of stat;
	int64_t missing = 0;

	/* for a length of zero the kernel counts all up to the end */
	if (!bytes)
		return 0;
	if (syscall(SYS_cachestat, fd, &range, &stat, 0) == 0)
		return stat.cached < pages ? (int64_t)(pages - stat.cached) : 0;
	for (uint64_t at = 0; at < bytes; at += WINDOW) {
		uint64_t left = bytes - at;
		int64_t num = look(fd, offset + (off_t)at,
				   left < WINDOW ? left : WINDOW);

		if (num < 0)
			return num;
		missing += num;
	}
	return missing;
}

int64_t cache_drop(int fd)
{
	struct stat st;
	int64_t missing;
	int ret;

	if (fsync(fd) < 0 || fstat(fd, &st) < 0)
		return -errno;
	ret = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (ret)
		return -ret;
	missing = cache_missing(fd, 0, (uint64_t)st.st_size);
	return missing < 0 ? missing : (st.st_size + PAGE - 1) / PAGE - missing;
}
