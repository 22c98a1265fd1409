// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vmm/pagemap.h"

/* the ioctl, which distributions' headers do not have yet: linux/fs.h */
#define SCAN_WRITTEN (1 << 1)
#define SCAN_FILE    (1 << 2)
#define SCAN_PRESENT (1 << 3)
#define SCAN_SWAPPED (1 << 4)
#define SCAN_ZERO    (1 << 5)
#define SCAN_HUGE    (1 << 6)

struct scan_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

struct scan_arg {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end; /* out: how far it came */
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)

/* a word of the file */
#define WORD_PRESENT (1ULL << 63)
#define WORD_SWAPPED (1ULL << 62)
#define WORD_FILE    (1ULL << 61)

#define REGIONS 4096
#define WORDS	4096

/* All of @mask, where the bits of @inverted are wanted as zeros; any of @any. */
static const struct {
	uint64_t mask;
	uint64_t inverted;
	uint64_t any;
} wanted[PAGEMAP_NUM] = {
	[PAGEMAP_PRIVATE] = {
		SCAN_FILE | SCAN_ZERO,
		SCAN_FILE | SCAN_ZERO,
		SCAN_PRESENT | SCAN_SWAPPED,
	},
	[PAGEMAP_WRITTEN] = {
		SCAN_FILE,
		SCAN_FILE,
		SCAN_PRESENT | SCAN_SWAPPED,
	},
	[PAGEMAP_TOUCHED] = {
		0,
		0,
		SCAN_PRESENT | SCAN_SWAPPED,
	},
	[PAGEMAP_SPLIT] = {
		SCAN_PRESENT | SCAN_HUGE,
		SCAN_HUGE,
		0,
	},
	[PAGEMAP_GUARDED] = {
		SCAN_PRESENT | SCAN_WRITTEN,
		SCAN_WRITTEN,
		0,
	},
};

static int scan(int fd, uint64_t hva, uint64_t first, uint64_t total,
		enum pagemap_kind kind, struct extents *set)
{
	__free struct scan_region *regions = calloc(REGIONS, sizeof(*regions));
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = hva + first * EXTENT_PAGE,
		.end = hva + (first + total) * EXTENT_PAGE,
		.vec = (uintptr_t)regions,
		.vec_len = REGIONS,
		.category_mask = wanted[kind].mask,
		.category_inverted = wanted[kind].inverted,
		.category_anyof_mask = wanted[kind].any,
		.return_mask = SCAN_PRESENT,
	};
	int num, ret = regions ? 0 : -ENOMEM;

	while (!ret && arg.start < arg.end) {
		uint64_t done;

		arg.walk_end = 0;
		num = ioctl(fd, SCAN_IOCTL, &arg);
		if (num < 0)
			return -errno;
		for (int i = 0; !ret && i < num; i++)
			ret = extents_add(
				set, (regions[i].start - hva) / EXTENT_PAGE,
				(regions[i].end - regions[i].start) /
					EXTENT_PAGE);
		/*
		 * The kernel walks 512 regions at a time, and says of the last
		 * walk where it began if there was one before it.
		 */
		done = num ? regions[num - 1].end : arg.end;
		if (arg.walk_end > done)
			done = arg.walk_end;
		if (done <= arg.start)
			return -EIO;
		arg.start = done;
	}
	return ret;
}

int pagemap_read(int pagemap_fd, uint64_t hva, uint64_t first, uint64_t num,
		 enum pagemap_kind kind, struct extents *set)
{
	uint64_t unwanted = kind == PAGEMAP_TOUCHED ? 0 : WORD_FILE;
	uint64_t words[WORDS];
	int ret = 0;

	for (uint64_t at = first; !ret && at < first + num; at += WORDS) {
		size_t some = first + num - at < WORDS ? first + num - at
						       : WORDS;

		ret = vf_pread_all(
			pagemap_fd, words, some * sizeof(*words),
			(off_t)((hva / EXTENT_PAGE + at) * sizeof(*words)));
		for (size_t i = 0; !ret && i < some; i++)
			if ((words[i] & (WORD_PRESENT | WORD_SWAPPED)) &&
			    !(words[i] & unwanted))
				ret = extents_add(set, at + i, 1);
	}
	return ret;
}

int pagemap_scan(pid_t pid, uint64_t hva, uint64_t first, uint64_t num,
		 enum pagemap_kind kind, struct extents *set,
		 struct vf_err *err)
{
	char path[48];
	__close int fd = -1;
	int ret;

	*set = (struct extents){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vf_err_errno(err, errno, "%s", path);
	ret = scan(fd, hva, first, num, kind, set);
	if (ret == -ENOTTY &&
	    (kind == PAGEMAP_SPLIT || kind == PAGEMAP_GUARDED))
		ret = -ENOTSUP;
	else if (ret == -ENOTTY)
		ret = pagemap_read(fd, hva, first, num, kind, set);
	return ret < 0 ? vf_err_errno(err, ret, "%s", path) : 0;
}
