// SPDX-License-Identifier: MIT
/*
 * A workload that lives on random numbers: each line of FILE is the moment
 * (CLOCK_MONOTONIC, ns) and what getrandom() gave, one about each millisecond.
 *
 *	draw FILE
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#define PAUSE_NS 1000000

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct timespec now;
	uint64_t number[2];
	FILE *file;

	if (argc != 2)
		return 2;
	file = fopen(argv[1], "we");
	if (!file)
		return 1;
	setvbuf(file, NULL, _IOLBF, 0);
	for (;;) {
		/* the number first: it may be the first act of a fork */
		if (getrandom(number, sizeof(number), 0) != sizeof(number))
			return 1;
		clock_gettime(CLOCK_MONOTONIC, &now);
		fprintf(file, "%" PRIu64 " %016" PRIx64 "%016" PRIx64 "\n",
			(uint64_t)now.tv_sec * 1000000000 +
				(uint64_t)now.tv_nsec,
			number[0], number[1]);
		nanosleep(&pause, NULL);
	}
}
