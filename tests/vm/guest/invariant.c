// SPDX-License-Identifier: MIT
/*
 * Memory that accuses whoever saves it in pieces of two moments:
 *
 *	invariant run FILE PAGES	work on it, as fast as it can be done
 *	invariant say FILE		print "rounds=N broken=N"
 *
 * Two counters on pages far apart, and a third that only a register holds, are
 * raised one after the other. Pages are written in turn, each word of one with
 * the number of the write; before that each word has to be the number of the
 * page's last write. A page that is older or newer than the processor's state is
 * found within a round, in whatever copy of the machine it is, and counted.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MARK	   (UINT64_C(0x5eed) << 48) /* tells these pages from others */
#define PAGE_WORDS 512
#define PAGE_BYTES 4096

struct head {
	volatile uint64_t rounds;
	volatile uint64_t broken;
	volatile uint64_t first; /* counter */
};

static void *map(const char *path, uint64_t pages, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	void *mem;

	if (fd < 0 || (flags & O_CREAT &&
		       ftruncate(fd, (off_t)(pages * PAGE_BYTES)) < 0)) {
		perror(path);
		exit(1);
	}
	mem = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	close(fd);
	if (mem == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	return mem;
}

/* Number @seq of all writes goes to its page; the last one there was @last. */
static int page_write(volatile uint64_t *page, uint64_t seq, uint64_t last)
{
	int good = 1;

	for (int i = 0; i < PAGE_WORDS; i++)
		good &= page[i] == last;
	for (int i = 0; i < PAGE_WORDS; i++)
		page[i] = seq;
	return good;
}

static void run(const char *path, uint64_t pages)
{
	uint8_t *mem = map(path, pages + 2, O_RDWR | O_CREAT | O_TRUNC);
	struct head *head = (struct head *)mem;
	volatile uint64_t *second =
		(volatile uint64_t *)(mem + (pages + 1) * PAGE_BYTES);
	register uint64_t third = 0;

	for (uint64_t seq = 1;; seq++) {
		uint64_t *page =
			(uint64_t *)(mem + (1 + seq % pages) * PAGE_BYTES);
		uint64_t last = seq > pages ? MARK + seq - pages : 0;

		if (head->first != third || *second != third ||
		    !page_write(page, MARK + seq, last)) {
			head->broken++;
			/* count it once, not for ever */
			head->first = *second = third;
		}
		head->first++;
		(*second)++;
		third++;
		if (seq % pages == 0)
			head->rounds++;
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "run"))
		run(argv[2], strtoull(argv[3], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "say")) {
		const struct head *head = map(argv[2], 1, O_RDWR);

		printf("rounds=%llu broken=%llu\n",
		       (unsigned long long)head->rounds,
		       (unsigned long long)head->broken);
		return 0;
	}
	fprintf(stderr, "usage: invariant run FILE PAGES | say FILE\n");
	return 2;
}
