/* SPDX-License-Identifier: MIT */
/* What a process uses of the machine, as the kernel counts it. */
#ifndef VF_USAGE_H
#define VF_USAGE_H

#include <stdint.h>
#include <sys/types.h>

/* What a process has in memory. */
struct usage_memory {
	/* its own, in memory or swapped out */
	uint64_t private_bytes;
	/* of files: what others use as well, or could without using more */
	uint64_t shared_bytes;
};

/**
 * usage_memory() - What has a process in memory?
 * @pid:	process
 * @memory:	out: unchanged on failure
 *
 * Pages of a snapshot that a fork alone has looked at are the page cache's, not
 * its own. Costs the kernel a walk over the process's page tables.
 *
 * Return: 0 or -errno
 */
int usage_memory(pid_t pid, struct usage_memory *memory);

/**
 * usage_cpu_us() - How much processor time has a process used?
 * @pid:	process
 * @us:		out: of all its threads, also those that have ended; unchanged on
 *		failure
 *
 * Return: 0 or -errno
 */
int usage_cpu_us(pid_t pid, int64_t *us);

#endif
