/* SPDX-License-Identifier: MIT */
/*
 * The handoff of a fork, from its resumption to its acknowledgement: forks one by
 * one, of each variant in turn, so that the machine's drift hits all alike. A
 * variant is a kind (ack_kind.h: whose guest, and how a fork of it is made) under
 * certain circumstances. The sources are its own, one for each guest.
 */
#ifndef VF_ACK_BENCH_H
#define VF_ACK_BENCH_H

#include <jansson.h>

#include "bench/list.h"
#include "bench/target.h"
#include "core/boot.h"
#include "core/prefetch.h"
#include "core/snapshot.h"
#include "vmfork_mailbox.h"

#define ACK_VARIANTS_MAX 64
#define ACK_NAME_BYTES	 64
#define ACK_WHY_BYTES	 VF_ERR_MSG_SIZE

/* What is read ahead of a fork's image, and what that is called. */
struct ack_prefetch {
	struct prefetch_wish wish;
	char name[16];
};

/* What to measure. */
struct ack_plan {
	const char *snapshot;	/* that alone; NULL: sources of its own */
	unsigned int num_kinds; /* 0 with a snapshot */
	unsigned int kinds[ACK_VARIANTS_MAX]; /* indices into ack_kinds */
	struct bench_list arms; /* 0, 1: of signals; at least one */
	/* signals, and a snapshot that is given, once with each of these */
	unsigned int num_prefetches; /* at least 1 */
	struct ack_prefetch prefetches[BENCH_LIST_MAX];
	bool cold; /* those also with the image dropped from the page cache */
	struct boot_request boot; /* of a source: all but name and signal */
	unsigned int iterations;  /* beside the first, which does not count */
	int cancel_fd;
};

/* Of one fork. */
enum ack_metric {
	ACK_TOTAL_US,	    /* request -> acked */
	ACK_RECONFIGURE_US, /* resumed -> acked */
	ACK_SIGNAL_US,	    /* resumed -> signal */
	ACK_MAIL_US,	    /* resumed -> mail */
	ACK_APPLY_US,	    /* mail -> applied, on the guest's clock alone */
	ACK_ACK_US,	    /* applied -> acked */
	ACK_SEEN_US,	    /* resumed -> the host saw "applied" in its page */
	ACK_BLIND_US,	    /* how long nobody had looked by then */
	ACK_CLOCK_ERROR_US,
	ACK_CPU_US,	    /* that its engine had used when it was heard */
	ACK_PREFETCH_BYTES, /* that were missing */
	ACK_PREFETCH_US,    /* until the last of them was asked for */
	ACK_FAULTS_MAJOR,
	ACK_FAULTS_MINOR,
	ACK_METRIC_NUM
};

#define ACK_UNKNOWN (-1) /* not measured, or there is no such thing */

/* One fork. */
struct ack_row {
	unsigned int variant;
	unsigned int iteration;	   /* 0: the first, which does not count */
	enum vmfork_signal signal; /* what woke it, as it told */
	bool failed;		   /* then all is unknown */
	int64_t value[ACK_METRIC_NUM];
};

struct ack_kind;

/* A kind under certain circumstances. The plan has to outlive it. */
struct ack_variant {
	char name[ACK_NAME_BYTES];
	const struct ack_kind *kind;
	const struct ack_prefetch *prefetch;
	bool armed; /* its source was, in the moment of its snapshot */
	bool cold;  /* the image was dropped from the page cache before */
	unsigned int source; /* whose forks they are */
	int64_t spun_us;     /* of its source's processor, for being armed */
	char why[ACK_WHY_BYTES]; /* why it cannot be here; empty: it can */
};

struct ack_table {
	enum vmm_accel accel;
	unsigned int num_variants;
	struct ack_variant variants[ACK_VARIANTS_MAX];
	struct ack_row *rows; /* in the order in which they were taken */
	unsigned int num;
	unsigned int size;
};

/**
 * ack_run() - Measure
 * @table:	out: rows; ack_table_exit() it, also after a failure
 * @state:	state directory
 * @plan:	what
 * @err:	error
 *
 * A variant that cannot be here is in the table, with the reason. Whatever
 * happens, no VM and no snapshot of its own is left, unless it is killed.
 *
 * Return: 0 or -errno
 */
int ack_run(struct ack_table *table, const struct vf_state *state,
	    const struct ack_plan *plan, struct vf_err *err);

/**
 * ack_variants() - Which there are to be
 * @table:	out: variants
 * @plan:	plan
 *
 * Return: 0, or -E2BIG if there are too many
 */
int ack_variants(struct ack_table *table, const struct ack_plan *plan);

/**
 * ack_table_add() - Add a fork
 * @table:	table
 * @row:	fork
 *
 * Return: 0 or -ENOMEM
 */
int ack_table_add(struct ack_table *table, const struct ack_row *row);

/**
 * ack_table_exit() - Free it
 * @table:	table
 */
void ack_table_exit(struct ack_table *table);

/**
 * ack_samples() - What a variant's forks came to
 * @table:	table; the first iteration is left out
 * @variant:	index
 * @metric:	metric
 * @room:	out, sorted: for as many as the table has rows
 *
 * Return: how many there are; those that were not measured are left out
 */
unsigned int ack_samples(const struct ack_table *table, unsigned int variant,
			 enum ack_metric metric, int64_t *room);

/**
 * ack_median() - The median of a metric
 * @table:	table; the first iteration is left out
 * @variant:	index
 * @metric:	metric
 *
 * Return: it, or ACK_UNKNOWN
 */
int64_t ack_median(const struct ack_table *table, unsigned int variant,
		   enum ack_metric metric);

/**
 * ack_failures() - How many of a variant's forks failed
 * @table:	table
 * @variant:	index
 *
 * Return: how many, the first one included
 */
unsigned int ack_failures(const struct ack_table *table, unsigned int variant);

/**
 * ack_judge() - Hold what was measured against what was hoped for
 * @table:	table
 * @targets:	out: those that were asked for; what failed, or was not measured,
 *		makes one that is not met
 */
void ack_judge(const struct ack_table *table, struct targets *targets);

/**
 * ack_report() - The distributions
 * @table:	table; the first iteration is told apart
 *
 * Return: an object {method, accel, variants: [{name, kind, armed, prefetch, cold,
 * spun_us, n, failed, told: {SIGNAL: how often}, first: {METRIC: value}, METRIC:
 * {n, mean, min, p50, p90, p99, max}, and so on for each metric that was
 * measured}], missing: [{name, why}], targets}, a new reference
 */
json_t *ack_report(const struct ack_table *table);

/**
 * ack_csv() - Write all rows
 * @table:	table
 * @path:	file
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ack_csv(const struct ack_table *table, const char *path,
	    struct vf_err *err);

/**
 * ack_plot() - Draw each variant's stages, stacked
 * @table:	table
 * @path:	SVG file
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ack_plot(const struct ack_table *table, const char *path,
	     struct vf_err *err);

#endif
