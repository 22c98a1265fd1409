/* SPDX-License-Identifier: MIT */
/*
 * Measurements. A benchmark fills a table of samples, one series per variant,
 * with its variants interleaved so that the machine's drift hits all alike; the
 * report prints the distribution of each. Ratios within one run count, absolute
 * times are this machine's.
 */
#ifndef VF_BENCH_H
#define VF_BENCH_H

#include <jansson.h>
#include <stdint.h>

#include "core/snapshot.h"

#define BENCH_SERIES_MAX 8

/* The samples of one variant, in microseconds. */
struct bench_series {
	const char *name;
	int64_t *samples;
	unsigned int num;
	unsigned int size;
};

struct bench {
	struct bench_series series[BENCH_SERIES_MAX];
	unsigned int num;
	unsigned int retaken; /* were none of what they should be */
};

/* Two variants, of which the first is held against the second. */
struct bench_ratio {
	const char *name;
	unsigned int of;      /* index of a series */
	unsigned int against; /* index of a series */
	double allowed;	      /* what it should be at most */
};

/**
 * bench_init() - No samples yet
 * @bench:	out; bench_exit() it
 * @names:	names of the variants, literals
 * @num:	how many
 */
void bench_init(struct bench *bench, const char *const *names,
		unsigned int num);

/**
 * bench_exit() - Free the samples
 * @bench:	bench
 */
void bench_exit(struct bench *bench);

/**
 * bench_add() - Add a sample
 * @bench:	bench
 * @series:	index of the variant
 * @us:		microseconds
 */
void bench_add(struct bench *bench, unsigned int series, int64_t us);

/**
 * bench_csv() - Write the raw rows, in the order in which they were taken
 * @bench:	bench, before bench_report() sorted it
 * @path:	file
 * @err:	error
 *
 * Return: 0 or -errno
 */
int bench_csv(const struct bench *bench, const char *path, struct vf_err *err);

/* What a benchmark runs on. */
struct bench_setup {
	const struct vf_state *state;
	const struct snapshot *snapshot;
	unsigned int iterations;
	int cancel_fd;
};

/* What so many percent of a variant's samples may be at most. */
struct bench_limit {
	const char *name;
	unsigned int of; /* index of the variant */
	unsigned int percent;
	int64_t allowed_us;
};

/* One benchmark: fills the bench, whose variants and ratios it names. */
struct bench_kind {
	const char *name;
	const char *summary;
	const char *const *series;
	unsigned int num_series;
	const struct bench_ratio *ratios;
	unsigned int num_ratios;
	const struct bench_limit *limits;
	unsigned int num_limits;
	int (*run)(struct bench *bench, const struct bench_setup *setup,
		   struct vf_err *err);
};

/**
 * bench_report() - The distributions, ratios and limits
 * @bench:	bench; the first sample of each series is left out of everything
 *		(but not of bench_csv()), the others are sorted
 * @kind:	whose ratios of medians and limits are reported
 *
 * Return: an object {variants: [{name, n, mean_us, min_us, p50_us, p90_us,
 * p99_us, max_us}], ratios: [{name, p50, allowed}], targets: see target.h,
 * retaken}, a new reference
 */
json_t *bench_report(struct bench *bench, const struct bench_kind *kind);

extern const struct bench_kind bench_start; /* host's share of a fork */
extern const struct bench_kind bench_apply; /* guest's reconfiguration */
extern const struct bench_kind bench_arm;   /* armed snapshots, the source's */

#endif
