/* SPDX-License-Identifier: MIT */
/* Distributions. */
#ifndef VF_STATS_H
#define VF_STATS_H

#include <jansson.h>
#include <stdint.h>

/**
 * stats_sort() - Put samples in ascending order
 * @samples:	samples
 * @num:	how many
 */
void stats_sort(int64_t *samples, unsigned int num);

/**
 * stats_percentile() - The nearest-rank percentile
 * @samples:	sorted
 * @num:	how many
 * @percent:	0 to 100; 0 is the least one
 *
 * Return: a sample, or 0 if there is none
 */
int64_t stats_percentile(const int64_t *samples, unsigned int num,
			 unsigned int percent);

/**
 * stats_mean() - The mean
 * @samples:	samples
 * @num:	how many
 *
 * Return: rounded down; 0 if there are none
 */
int64_t stats_mean(const int64_t *samples, unsigned int num);

/**
 * stats_pack() - A distribution
 * @samples:	sorted
 * @num:	how many
 *
 * Return: an object {n, mean, min, p50, p90, p99, max}, a new reference
 */
json_t *stats_pack(const int64_t *samples, unsigned int num);

#endif
