// SPDX-License-Identifier: MIT
/* What bursts came to, and what was hoped for. burst.h holds the contract. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "bench/burst.h"
#include "bench/stats.h"

#define WAVES_MIN 25 /* smaller bursts have no waves to speak of */

/* What the processors allow is held against. */
#define LAST_MOST    1.3
#define MEDIAN_MOST  0.7
#define AT_ONCE_MOST 0.5
#define FLOOR_MOST   1.2

/* What has an absolute limit. */
static const struct {
	unsigned int num;
	enum burst_variant variant;
	enum burst_metric metric;
	const char *name;
	double ms;
} limits[] = {
	{ 1, BURST_POOL_NONE, BURST_RESUMED_MAX_US, "resumed, from the pool",
	  10 },
	{ 25, BURST_POOL_NONE, BURST_RESUMED_MAX_US,
	  "last resumed, from the pool", 150 },
	{ 100, BURST_POOL_NONE, BURST_RESUMED_MAX_US,
	  "last resumed, from the pool", 800 },
	{ 100, BURST_FORK, BURST_END_US, "all of them ended", 2000 },
};

/* Where it is asked that unwaited forks are as quick as the floor. */
static const unsigned int floor_nums[] = { 1, 25 };

int64_t burst_median(const struct burst_table *table, unsigned int num,
		     enum burst_variant variant, enum burst_metric metric)
{
	__free int64_t *room = calloc(table->num + 1, sizeof(*room));
	unsigned int samples = 0;

	for (unsigned int i = 0; room && i < table->num; i++) {
		const struct burst_row *r = &table->rows[i];

		if (r->iteration && r->num == num && r->variant == variant &&
		    r->value[metric] != BURST_UNKNOWN)
			room[samples++] = r->value[metric];
	}
	if (!samples)
		return BURST_UNKNOWN;
	stats_sort(room, samples);
	return stats_percentile(room, samples, 50);
}

int64_t burst_ideal_us(const struct burst_table *table, unsigned int num)
{
	int64_t alone_us =
		burst_median(table, 1, BURST_FORK, BURST_CPU_ACKED_US);

	if (alone_us <= 0 || !table->cores)
		return BURST_UNKNOWN;
	return alone_us * num / table->cores;
}

/* One over another, if both are known. */
static void add_ratio(struct targets *v, int64_t of_us, int64_t against_us,
		      double allowed, unsigned int num, const char *name)
{
	if (of_us > 0 && against_us > 0)
		target_add(v, (double)of_us / (double)against_us, "", allowed,
			   "%u: %s", num, name);
}

static void judge_limits(struct targets *v, const struct burst_table *table,
			 unsigned int num)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		int64_t us = limits[i].num == num
				     ? burst_median(table, num,
						    limits[i].variant,
						    limits[i].metric)
				     : BURST_UNKNOWN;

		if (us != BURST_UNKNOWN)
			target_add(v, (double)us / 1000, "ms", limits[i].ms,
				   "%u: %s", num, limits[i].name);
	}
}

static void judge_floor(struct targets *v, const struct burst_table *table,
			unsigned int num)
{
	double allowed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(floor_nums); i++)
		if (floor_nums[i] == num)
			allowed = FLOOR_MOST;
	add_ratio(v, burst_median(table, num, BURST_NONE, BURST_RESUMED_MAX_US),
		  burst_median(table, num, BURST_FLOOR, BURST_RESUMED_MAX_US),
		  allowed, num, "last resumed, cold, over the floor");
}

static void judge_waves(struct targets *v, const struct burst_table *table,
			unsigned int num)
{
	int64_t ideal_us = burst_ideal_us(table, num);
	int64_t last_us =
		burst_median(table, num, BURST_FORK, BURST_ACKED_MAX_US);
	int64_t median_us =
		burst_median(table, num, BURST_FORK, BURST_ACKED_P50_US);
	bool asked = num >= WAVES_MIN;

	add_ratio(v, last_us, ideal_us, asked ? LAST_MOST : 0, num,
		  "last acked, over what the processors allow");
	add_ratio(v, median_us, ideal_us, asked ? MEDIAN_MOST : 0, num,
		  "median acked, over what the processors allow");
	add_ratio(v, last_us,
		  burst_median(table, num, BURST_AT_ONCE, BURST_ACKED_MAX_US),
		  asked ? AT_ONCE_MOST : 0, num,
		  "last acked, over all resumed at once");
	add_ratio(v, median_us,
		  burst_median(table, num, BURST_AT_ONCE, BURST_ACKED_P50_US),
		  asked ? AT_ONCE_MOST : 0, num,
		  "median acked, over all resumed at once");
}

/* The numbers of forks in the order in which they were measured first. */
static bool is_first(const struct burst_table *table, unsigned int row)
{
	for (unsigned int i = 0; i < row; i++)
		if (table->rows[i].num == table->rows[row].num)
			return false;
	return true;
}

void burst_judge(const struct burst_table *table, struct targets *targets)
{
	*targets = (struct targets){ 0 };
	for (unsigned int i = 0; i < table->num; i++) {
		unsigned int num = table->rows[i].num;

		if (!is_first(table, i))
			continue;
		judge_limits(targets, table, num);
		judge_floor(targets, table, num);
		judge_waves(targets, table, num);
	}
}
