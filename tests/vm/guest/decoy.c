// SPDX-License-Identifier: MIT
/*
 * Plant a page that looks like an armed mailbox, print the address that it
 * claims, and stay to keep it:
 *
 *	decoy wrong	it claims to be elsewhere
 *	decoy right	it claims to be where it is
 *	decoy answer	so too, and it answers requests, as if it were alive
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mail.h"

#define ANSWER_US 1000

/* Linux, Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PFN ((1ULL << 55) - 1)

static uint64_t page_gpa(const void *page)
{
	off_t at = (off_t)((uintptr_t)page / VMFORK_MAILBOX_SIZE * 8);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry))
		entry = 0;
	close(fd);
	return (entry & PAGEMAP_PFN) * VMFORK_MAILBOX_SIZE;
}

/* What a host asks, this page echoes. */
static void answer(volatile struct vmfork_mailbox *page)
{
	for (;;) {
		page->status.request_seen = page->request.counter;
		usleep(ANSWER_US);
	}
}

static int stay(struct vmfork_mailbox *page, const char *how)
{
	if (mlock(page, sizeof(*page)) < 0) {
		perror("decoy: mlock");
		return EXIT_FAILURE;
	}
	memset(page, 0, sizeof(*page));
	page->header.gpa = page_gpa(page);
	if (!page->header.gpa) {
		fprintf(stderr, "decoy: the page has no address\n");
		return EXIT_FAILURE;
	}
	if (!strcmp(how, "wrong"))
		page->header.gpa += VMFORK_MAILBOX_SIZE;
	page->header.arm_seq = 1;
	page->header.capabilities = VMFORK_CAP_REQUEST;
	header_seal(&page->header);
	printf("0x%" PRIx64 "\n", (uint64_t)page->header.gpa);
	fclose(stdout);
	if (!strcmp(how, "answer"))
		answer(page);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	struct vmfork_mailbox *page;

	if (argc != 2 ||
	    (strcmp(argv[1], "wrong") != 0 && strcmp(argv[1], "right") != 0 &&
	     strcmp(argv[1], "answer") != 0)) {
		fprintf(stderr, "usage: decoy wrong|right|answer\n");
		return 2;
	}
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		perror("decoy: mmap");
		return EXIT_FAILURE;
	}
	return stay(page, argv[1]);
}
