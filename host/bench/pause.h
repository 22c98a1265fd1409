/* SPDX-License-Identifier: MIT */
/*
 * What a branch costs the VM that is branched: for each combination of memory,
 * kind of source, changed memory and workload all modes in turn, so that the
 * machine's drift hits all alike. The sources are its own.
 */
#ifndef VF_PAUSE_H
#define VF_PAUSE_H

#include <jansson.h>

#include "bench/list.h"
#include "core/boot.h"
#include "core/snapshot.h"
#include "pulse.h"

enum pause_mode {
	PAUSE_FULL,
	PAUSE_DIFF,
	PAUSE_LIVE,
	PAUSE_LIVE_ASYNC, /* --no-wait */
	PAUSE_AUTO,
	PAUSE_MODE_NUM
};

enum pause_source {
	PAUSE_BOOTED,
	PAUSE_FORK, /* of a full snapshot of a booted one */
	PAUSE_SOURCE_NUM
};

/* What to measure. */
struct pause_plan {
	struct boot_request boot; /* all but name and memory */
	struct bench_list modes;
	struct bench_list sources;
	struct bench_list works; /* enum pulse_work */
	struct bench_list memory_mib;
	struct bench_list dirty_mib; /* that a fork writes */
	unsigned int fill_mib;	     /* 0: three quarters, or all but 128 MiB */
	unsigned int rate_mib;	     /* of PULSE_STEADY */
	unsigned int iterations; /* beside the first, which does not count */
	bool forks;		 /* fork each snapshot, too */
	int cancel_fd;
};

enum pause_metric {
	PAUSE_US,	/* between the engine's events */
	PAUSE_GAP_US,	/* watch.h: while the snapshot was taken */
	PAUSE_CALM_US,	/* the same, just before */
	PAUSE_BLIND_US, /* how long nobody looked, at most */
	PAUSE_TRIP_US,	/* until the command is done */
	PAUSE_READY_US, /* until the snapshot is */
	PAUSE_FORK_US,	/* from a fork's command to its first instruction */
	PAUSE_PRIVATE_BYTES,
	PAUSE_WRITTEN_BYTES,
	PAUSE_METRIC_NUM
};

#define PAUSE_NONE (-1) /* not measured */

/* One branch. */
struct pause_row {
	enum pause_source source;
	unsigned int memory_mib;
	unsigned int fill_mib;
	unsigned int dirty_mib;
	enum pulse_work work;
	enum pause_mode mode;
	enum snapshot_mode taken; /* what it came to */
	unsigned int iteration;	  /* 0: the first, which does not count */
	int64_t value[PAUSE_METRIC_NUM];
};

struct pause_table {
	struct pause_row *rows; /* in the order in which they were taken */
	unsigned int num;
	unsigned int size;
};

/**
 * pause_fill_mib() - How much a guest's program fills
 * @plan:	plan
 * @memory_mib:	of the guest
 *
 * Return: MiB; 0 if that guest is too small for what is asked for
 */
unsigned int pause_fill_mib(const struct pause_plan *plan,
			    unsigned int memory_mib);

/**
 * pause_run() - Measure
 * @table:	out: rows; pause_table_exit() it, also after a failure
 * @state:	state directory
 * @plan:	what
 * @err:	error
 *
 * Whatever happens, no VM and no snapshot of its own is left.
 *
 * Return: 0 or -errno
 */
int pause_run(struct pause_table *table, const struct vf_state *state,
	      const struct pause_plan *plan, struct vf_err *err);

/**
 * pause_table_exit() - Free it
 * @table:	table
 */
void pause_table_exit(struct pause_table *table);

/**
 * pause_report() - The distributions
 * @table:	table; the first iteration is left out
 *
 * Return: an object {method, variants: [{source, memory_mib, fill_mib,
 * dirty_mib, workload, mode, taken, pause_us: {n, mean, min, p50, p90, p99,
 * max}, and so on for each metric that was measured}]}, a new reference
 */
json_t *pause_report(const struct pause_table *table);

/**
 * pause_csv() - Write all rows
 * @table:	table
 * @path:	file
 * @err:	error
 *
 * Return: 0 or -errno
 */
int pause_csv(const struct pause_table *table, const char *path,
	      struct vf_err *err);

/**
 * pause_plot() - Draw the pauses over what the VM had changed
 * @table:	table
 * @path:	SVG file
 * @err:	error
 *
 * Return: 0 or -errno
 */
int pause_plot(const struct pause_table *table, const char *path,
	       struct vf_err *err);

/* Names on the command line, in JSON and in the CSV. */
extern const char *const pause_mode_names[PAUSE_MODE_NUM];
extern const char *const pause_source_names[PAUSE_SOURCE_NUM];
extern const char *const pause_work_names[PULSE_NUM];

#endif
