// SPDX-License-Identifier: MIT
/*
 * What benchmarks run in a guest: fills memory, counts without end, and writes
 * what it is told to, in its own memory (pulse.h).
 *
 *	pulse MIB	print the address of the page, once MIB are filled
 *
 * It gives way to all others: their work is not measured by it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "page.h"
#include "pulse.h"

#define CLOCK_EVERY    1024 /* beats between two looks at the clock */
#define BURST_EVERY_NS 500000000ULL
#define STEADY_MAX     256 /* pages at once */

struct worker {
	volatile struct pulse *pulse;
	uint8_t *mem;
	uint64_t pages; /* of @mem */
	uint64_t seq;	/* what is written next: no page twice the same */
	uint64_t at;	/* the next page to be written */
	uint64_t then_ns;
};

static uint64_t footprint(const struct worker *w)
{
	uint64_t pages = w->pulse->bytes / PAGE_BYTES;

	return pages < w->pages ? pages : w->pages;
}

/* The first @of pages in turn. */
static void write_pages(struct worker *w, uint64_t num, uint64_t of)
{
	for (uint64_t i = 0; i < num && of; i++) {
		if (w->at >= of)
			w->at = 0;
		*(volatile uint64_t *)(w->mem + w->at++ * PAGE_BYTES) =
			++w->seq;
		w->pulse->beats++;
	}
}

static void work_steadily(struct worker *w, uint64_t now)
{
	uint64_t ns_per_page = 1000000000ULL * PAGE_BYTES /
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
	uint64_t now = page_now_ns();

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
	w->then_ns = page_now_ns();
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

static void child(void *ctx, int fd)
{
	const uint64_t *mib = ctx;
	struct worker w = {
		.pulse = page_map(PULSE_PAGE_BYTES, MADV_NOHUGEPAGE),
		.mem = page_map((*mib << 20) + PAGE_BYTES, MADV_HUGEPAGE),
		.pages = (*mib << 20) / PAGE_BYTES,
	};

	if (!w.pulse || !w.mem || mlock((void *)w.pulse, PULSE_PAGE_BYTES) < 0)
		return;
	w.pulse->magic = PULSE_MAGIC;
	write_pages(&w, w.pages, w.pages);
	if (page_ready(page_address(w.pulse), fd) < 0)
		return;
	(void)!nice(19);
	run(&w);
}

int main(int argc, char **argv)
{
	uint64_t mib;

	if (argc != 2) {
		fprintf(stderr, "usage: pulse MIB\n");
		return 2;
	}
	mib = strtoull(argv[1], NULL, 10);
	return page_serve("pulse", child, &mib);
}
