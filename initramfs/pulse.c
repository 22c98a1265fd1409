// SPDX-License-Identifier: MIT
/*
 * What benchmarks run in a guest: fills memory, counts without end, and writes
 * what it is told to, in its own memory (pulse.h).
 *
 *	pulse MIB	print the address of the page, once MIB are filled
 *
 * It gives way to all others: their work is not measured by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "pulse.h"

#define PAGE		((size_t)PULSE_PAGE_BYTES)
#define CLOCK_EVERY	1024 /* beats between two looks at the clock */
#define BURST_EVERY_NS	500000000ULL
#define STEADY_MAX	256 /* pages at once */
#define PAGEMAP_PFN	((1ULL << 55) - 1)
#define PAGEMAP_PRESENT (1ULL << 63)

struct worker {
	volatile struct pulse *pulse;
	uint8_t *mem;
	uint64_t pages; /* of @mem */
	uint64_t seq;	/* what is written next: no page twice the same */
	uint64_t at;	/* the next page to be written */
	uint64_t then_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t footprint(const struct worker *w)
{
	uint64_t pages = w->pulse->bytes / PAGE;

	return pages < w->pages ? pages : w->pages;
}

/* The first @of pages in turn. */
static void write_pages(struct worker *w, uint64_t num, uint64_t of)
{
	for (uint64_t i = 0; i < num && of; i++) {
		if (w->at >= of)
			w->at = 0;
		*(volatile uint64_t *)(w->mem + w->at++ * PAGE) = ++w->seq;
		w->pulse->beats++;
	}
}

static void work_steadily(struct worker *w, uint64_t now)
{
	uint64_t ns_per_page = 1000000000ULL * PAGE /
			       ((uint64_t)(w->pulse->rate_mib | 1) << 20);
	uint64_t due = (now - w->then_ns) / ns_per_page;

	if (!due)
		return;
	/* what a pause made late is not made good in one go */
	w->then_ns = due > STEADY_MAX ? now : w->then_ns + due * ns_per_page;
	write_pages(w, due < STEADY_MAX ? due : STEADY_MAX, footprint(w));
}

static void work(struct worker *w)
{
	uint64_t now = now_ns();

	switch ((enum pulse_work)w->pulse->work) {
	case PULSE_STEADY:
		work_steadily(w, now);
		break;
	case PULSE_BURST:
		if (now - w->then_ns < BURST_EVERY_NS)
			break;
		w->then_ns = now;
		write_pages(w, footprint(w), footprint(w));
		break;
	case PULSE_IDLE:
	case PULSE_NUM:
		break;
	}
}

static void begin(struct worker *w, uint64_t seq)
{
	w->at = 0;
	write_pages(w, footprint(w), footprint(w));
	w->at = 0;
	w->then_ns = now_ns();
	__sync_synchronize();
	w->pulse->done_seq = seq;
}

static _Noreturn void run(struct worker *w)
{
	for (;;) {
		uint64_t seq = w->pulse->wish_seq;

		if (seq != w->pulse->done_seq)
			begin(w, seq);
		for (int i = 0; i < CLOCK_EVERY; i++)
			w->pulse->beats++;
		if (w->pulse->work != PULSE_IDLE)
			work(w);
	}
}

static void *map(size_t bytes, int advice)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, bytes, advice);
	return mem;
}

/* Where a page is in the machine's memory; 0 if that cannot be told. */
static uint64_t address(const volatile void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;
	ssize_t n = pread(fd, &word, sizeof(word),
			  (off_t)((uintptr_t)page / PAGE * sizeof(word)));

	close(fd);
	return n == sizeof(word) && word & PAGEMAP_PRESENT
		       ? (word & PAGEMAP_PFN) * PAGE
		       : 0;
}

static _Noreturn void child(uint64_t mib, int fd)
{
	struct worker w = {
		.pulse = map(PAGE, MADV_NOHUGEPAGE),
		.mem = map((mib << 20) + PAGE, MADV_HUGEPAGE),
		.pages = (mib << 20) / PAGE,
	};
	uint64_t gpa;

	if (!w.pulse || !w.mem || mlock((void *)w.pulse, PAGE) < 0)
		_exit(1);
	w.pulse->magic = PULSE_MAGIC;
	write_pages(&w, w.pages, w.pages);
	gpa = address(w.pulse);
	if (write(fd, &gpa, sizeof(gpa)) != sizeof(gpa))
		_exit(1);
	close(fd);
	setsid();
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	(void)!nice(19);
	run(&w);
}

int main(int argc, char **argv)
{
	uint64_t gpa = 0;
	int fds[2];

	if (argc != 2) {
		fprintf(stderr, "usage: pulse MIB\n");
		return 2;
	}
	if (pipe(fds) < 0) {
		perror("pulse");
		return 1;
	}
	/* the page must not be shared with us: it would move when written */
	if (fork() == 0)
		child(strtoull(argv[1], NULL, 10), fds[1]);
	close(fds[1]);
	if (read(fds[0], &gpa, sizeof(gpa)) != sizeof(gpa) || !gpa) {
		fprintf(stderr, "pulse: no memory, or no address of it\n");
		return 1;
	}
	printf("0x%llx\n", (unsigned long long)gpa);
	return 0;
}
