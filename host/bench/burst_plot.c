// SPDX-License-Identifier: MIT
/* A plot of bursts, drawn by gnuplot. burst.h holds the contract. */
#include <stdio.h>

#include "base/cleanup.h"
#include "bench/burst.h"
#include "bench/plot.h"

/* What is drawn of each variant: its last fork, and where there is one more. */
static const struct {
	enum burst_variant variant;
	enum burst_metric metric;
	const char *title;
	int point;
} series[] = {
	{ BURST_FLOOR, BURST_RESUMED_MAX_US, "floor, last resumed", 5 },
	{ BURST_NONE, BURST_RESUMED_MAX_US, "not waited for, last resumed", 5 },
	{ BURST_POOL_NONE, BURST_RESUMED_MAX_US, "of a pool, last resumed", 5 },
	{ BURST_FORK, BURST_ACKED_MAX_US, "last acked", 7 },
	{ BURST_FORK, BURST_ACKED_P50_US, "median acked", 6 },
	{ BURST_AT_ONCE, BURST_ACKED_MAX_US, "all at once, last acked", 7 },
	{ BURST_AT_ONCE, BURST_ACKED_P50_US, "all at once, median acked", 6 },
	{ BURST_POOL, BURST_ACKED_MAX_US, "of a pool, last acked", 7 },
	{ BURST_POOL, BURST_ACKED_P50_US, "of a pool, median acked", 6 },
};

/* Points: forks, ms. Return: how many */
static unsigned int write_points(FILE *to, const struct burst_table *table,
				 unsigned int s)
{
	unsigned int num = 0;

	fprintf(to, "$points_%u << END\n", s);
	for (unsigned int i = 0; i < table->num; i++) {
		const struct burst_row *r = &table->rows[i];

		if (!r->iteration || r->variant != series[s].variant ||
		    r->value[series[s].metric] <= 0)
			continue;
		fprintf(to, "%u %.3f\n", r->num,
			(double)r->value[series[s].metric] / 1000);
		num++;
	}
	fprintf(to, "END\n");
	return num;
}

static void write_script(FILE *to, const struct burst_table *table)
{
	double alone_ms = (double)burst_ideal_us(table, 1) / 1000;
	bool drawn[ARRAY_SIZE(series)];
	const char *between = "plot ";

	fprintf(to, "set logscale xy\nset grid\nset key outside right\n"
		    "set xrange [0.8:*]\nset xlabel 'forks in a burst'\n"
		    "set ylabel 'since the request, ms'\n");
	for (unsigned int s = 0; s < ARRAY_SIZE(series); s++)
		drawn[s] = write_points(to, table, s);
	for (unsigned int s = 0; s < ARRAY_SIZE(series); s++) {
		if (!drawn[s])
			continue;
		fprintf(to, "%s$points_%u with points pt %d lc %d title '%s'",
			between, s, series[s].point, series[s].variant + 1,
			series[s].title);
		between = ", ";
	}
	if (alone_ms > 0)
		fprintf(to,
			"%s%.3f * x with lines dt 2 lc 'black' "
			"title 'what the processors allow'",
			between, alone_ms);
	fprintf(to, "\n");
}

int burst_plot(const struct burst_table *table, const char *path,
	       struct vf_err *err)
{
	FILE *to;
	int ret = plot_open(&to, path, err);

	if (ret < 0)
		return ret;
	write_script(to, table);
	return plot_close(to, path, err);
}
