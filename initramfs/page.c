// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "page.h"

/* Linux, Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PFN	((1ULL << 55) - 1)
#define PAGEMAP_PRESENT (1ULL << 63)

uint64_t page_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void *page_map(size_t bytes, int advice)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, bytes, advice);
	return mem;
}

uint64_t page_address(const volatile void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;
	ssize_t n = pread(fd, &word, sizeof(word),
			  (off_t)((uintptr_t)page / PAGE_BYTES * sizeof(word)));

	close(fd);
	return n == sizeof(word) && word & PAGEMAP_PRESENT
		       ? (word & PAGEMAP_PFN) * PAGE_BYTES
		       : 0;
}

int page_ready(uint64_t gpa, int fd)
{
	if (!gpa || write(fd, &gpa, sizeof(gpa)) != sizeof(gpa))
		return -1;
	close(fd);
	setsid();
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	return 0;
}

int page_serve(const char *program, void (*child)(void *ctx, int fd), void *ctx)
{
	uint64_t gpa;
	int fds[2];
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		perror(program);
		return 1;
	}
	if (fork() == 0) {
		child(ctx, fds[1]);
		_exit(1);
	}
	close(fds[1]);
	n = read(fds[0], &gpa, sizeof(gpa));
	if (n != sizeof(gpa)) {
		fprintf(stderr, "%s: did not get ready\n", program);
		return 1;
	}
	printf("0x%llx\n", (unsigned long long)gpa);
	return 0;
}
