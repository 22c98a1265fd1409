// SPDX-License-Identifier: MIT
/*
 * A disk that accuses whoever saves it at another moment than memory:
 *
 *	diskwork run DEVICE FILE BLOCKS	work on it, past the page cache
 *	diskwork say FILE		print "rounds=N broken=N"
 *
 * Blocks are written in turn, each word of one with the number of the write, and
 * only memory knows that number. Before that each word has to be the number of
 * the block's last write: a disk that is older or newer than memory is found
 * within a round, in whatever copy of the machine it is, and counted.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK_WORDS 512
#define BLOCK_BYTES 4096

struct head {
	volatile uint64_t rounds;
	volatile uint64_t broken;
};

static struct head *map(const char *path, int flags)
{
	int fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
	void *mem;

	if (fd < 0 || (flags & O_CREAT && ftruncate(fd, BLOCK_BYTES) < 0)) {
		perror(path);
		exit(1);
	}
	mem = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	close(fd);
	if (mem == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	return mem;
}

/* Number @seq of all writes goes to its block; the last one there was @last. */
static int block_write(int fd, uint64_t *block, off_t at, uint64_t seq,
		       uint64_t last)
{
	int good = 1;

	if (pread(fd, block, BLOCK_BYTES, at) != BLOCK_BYTES)
		return 0;
	for (int i = 0; i < BLOCK_WORDS; i++) {
		good &= block[i] == last;
		block[i] = seq;
	}
	return good && pwrite(fd, block, BLOCK_BYTES, at) == BLOCK_BYTES &&
	       fdatasync(fd) == 0;
}

static void run(const char *device, const char *path, uint64_t blocks)
{
	static uint64_t block[BLOCK_WORDS]
		__attribute__((aligned(BLOCK_BYTES)));
	struct head *head = map(path, O_CREAT | O_TRUNC);
	int fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0) {
		perror(device);
		exit(1);
	}
	for (uint64_t seq = 1;; seq++) {
		uint64_t last = seq > blocks ? seq - blocks : 0;

		if (!block_write(fd, block, (off_t)(seq % blocks * BLOCK_BYTES),
				 seq, last))
			head->broken++;
		if (seq % blocks == 0)
			head->rounds++;
	}
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "run"))
		run(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "say")) {
		const struct head *head = map(argv[2], 0);

		printf("rounds=%llu broken=%llu\n",
		       (unsigned long long)head->rounds,
		       (unsigned long long)head->broken);
		return 0;
	}
	fprintf(stderr, "usage: diskwork run DEVICE FILE BLOCKS | say FILE\n");
	return 2;
}
