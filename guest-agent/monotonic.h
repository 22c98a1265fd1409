/* SPDX-License-Identifier: MIT */
#ifndef AGENT_MONOTONIC_H
#define AGENT_MONOTONIC_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

/**
 * monotonic_ns() - The clock of all stages and deadlines
 *
 * Return: CLOCK_MONOTONIC in nanoseconds
 */
static inline uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

#endif
