/* SPDX-License-Identifier: MIT */
/*
 * What bursts of forks take: for each number of forks all variants in turn, so
 * that the machine's drift hits all alike. Forks are made and ended by the
 * command itself, in a process of its own each time, as its users do it.
 */
#ifndef VF_BURST_H
#define VF_BURST_H

#include <jansson.h>

#include "bench/list.h"
#include "bench/target.h"
#include "core/fork.h"
#include "core/state.h"

enum burst_variant {
	BURST_FLOOR,	 /* floor.h: not ours at all */
	BURST_NONE,	 /* cold, not waited for */
	BURST_FORK,	 /* cold, until they answer */
	BURST_AT_ONCE,	 /* the same, all resumed together */
	BURST_POOL_NONE, /* engines started ahead, not waited for */
	BURST_POOL,	 /* the same, until they answer */
	BURST_VARIANT_NUM
};

/* What to measure. */
struct burst_plan {
	const char *snapshot;
	const char *state_path; /* as it was given; NULL: not */
	struct bench_list nums; /* forks in a burst */
	bool variants[BURST_VARIANT_NUM];
	const char *answer; /* what those that are waited for have to have */
	unsigned int iterations; /* beside the first, which does not count */
	int cancel_fd;
};

/* Of one burst; times from the request on, memory and faults a fork's mean. */
enum burst_metric {
	BURST_WALL_US, /* from the start of the command's process to its end */
	BURST_RESUMED_P50_US,
	BURST_RESUMED_P90_US,
	BURST_RESUMED_MAX_US,
	BURST_ACKED_P50_US,
	BURST_ACKED_P90_US,
	BURST_ACKED_MAX_US,
	BURST_CPU_ACKED_US,   /* of all engines, each until it was acked */
	BURST_CPU_ENGINES_US, /* of all engines, until the command ended */
	BURST_CPU_COMMAND_US,
	BURST_PRIVATE_BYTES,
	BURST_SHARED_BYTES,
	BURST_FAULTS_MINOR,
	BURST_FAULTS_MAJOR,
	BURST_END_US, /* to end them all */
	BURST_METRIC_NUM
};

#define BURST_UNKNOWN (-1) /* not measured */

/* One burst. */
struct burst_row {
	unsigned int num;
	enum burst_variant variant;
	unsigned int iteration; /* 0: does not count */
	int64_t value[BURST_METRIC_NUM];
};

struct burst_table {
	unsigned int cores;
	struct burst_row *rows; /* in the order in which they were taken */
	unsigned int num;
	unsigned int size;
};

/**
 * burst_run() - Measure
 * @table:	out: rows; burst_table_exit() it, also after a failure
 * @state:	state directory
 * @plan:	what
 * @err:	error
 *
 * Whatever happens, no VM of its own is left, unless it is killed.
 *
 * Return: 0 or -errno
 */
int burst_run(struct burst_table *table, const struct vf_state *state,
	      const struct burst_plan *plan, struct vf_err *err);

/**
 * burst_table_add() - Add a burst
 * @table:	table
 * @row:	burst
 *
 * Return: 0 or -ENOMEM
 */
int burst_table_add(struct burst_table *table, const struct burst_row *row);

/**
 * burst_table_exit() - Free it
 * @table:	table
 */
void burst_table_exit(struct burst_table *table);

/**
 * burst_median() - The median of a metric
 * @table:	table; the first iteration is left out
 * @num:	forks in a burst
 * @variant:	variant
 * @metric:	metric
 *
 * Return: it, or BURST_UNKNOWN
 */
int64_t burst_median(const struct burst_table *table, unsigned int num,
		     enum burst_variant variant, enum burst_metric metric);

/**
 * burst_ideal_us() - What the machine's processors allow
 * @table:	table
 * @num:	forks in a burst
 *
 * Return: @num times the processor time that an engine needs which runs the only
 * fork, until that is acked, over the number of processors; or BURST_UNKNOWN
 */
int64_t burst_ideal_us(const struct burst_table *table, unsigned int num);

/**
 * burst_judge() - Hold what was measured against what was hoped for
 * @table:	table
 * @targets:	out: those for which there are measurements
 */
void burst_judge(const struct burst_table *table, struct targets *targets);

/**
 * burst_report() - The distributions, and how they compare
 * @table:	table; the first iteration is left out
 *
 * Return: an object {method, cores, variants: [{n, variant, wall_us: {n, mean,
 * min, p50, p90, p99, max}, and so on for each metric that was measured,
 * ideal_us}], targets: [{name, value, unit, allowed, met}]}, a new reference
 */
json_t *burst_report(const struct burst_table *table);

/**
 * burst_csv() - Write all rows
 * @table:	table
 * @path:	file
 * @err:	error
 *
 * Return: 0 or -errno
 */
int burst_csv(const struct burst_table *table, const char *path,
	      struct vf_err *err);

/**
 * burst_plot() - Draw the times until forks are resumed and until they answer
 * @table:	table
 * @path:	SVG file
 * @err:	error
 *
 * Return: 0 or -errno
 */
int burst_plot(const struct burst_table *table, const char *path,
	       struct vf_err *err);

/* Names in JSON and in the CSV. */
extern const char *const burst_variant_names[BURST_VARIANT_NUM];

#endif
