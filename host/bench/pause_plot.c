// SPDX-License-Identifier: MIT
/* A plot of branches, drawn by gnuplot. pause.h holds the contract. */
#include <stdio.h>

#include "bench/pause.h"
#include "bench/plot.h"

static bool has_rows(const struct pause_table *table, enum pause_source source,
		     enum pause_mode mode)
{
	for (unsigned int i = 0; i < table->num; i++)
		if (table->rows[i].iteration &&
		    table->rows[i].source == source &&
		    table->rows[i].mode == mode)
			return true;
	return false;
}

/* Points of one series: changed MiB, pause in ms. */
static void write_rows(FILE *to, const struct pause_table *table,
		       enum pause_source source, enum pause_mode mode)
{
	fprintf(to, "$rows_%d_%d << END\n", source, mode);
	for (unsigned int i = 0; i < table->num; i++) {
		const struct pause_row *r = &table->rows[i];

		if (r->iteration && r->source == source && r->mode == mode)
			fprintf(to, "%.3f %.3f\n",
				(double)r->value[PAUSE_PRIVATE_BYTES] /
					(1 << 20),
				(double)r->value[PAUSE_US] / 1000);
	}
	fprintf(to, "END\n");
}

static void write_script(FILE *to, const struct pause_table *table)
{
	const char *between = "plot ";

	fprintf(to, "set logscale xy\nset grid\nset key outside right\n"
		    "set xlabel 'changed memory of the VM, MiB'\n"
		    "set ylabel 'pause, ms'\n");
	for (int s = 0; s < PAUSE_SOURCE_NUM; s++)
		for (int m = 0; m < PAUSE_MODE_NUM; m++)
			write_rows(to, table, s, m);
	for (int s = 0; s < PAUSE_SOURCE_NUM; s++)
		for (int m = 0; m < PAUSE_MODE_NUM; m++) {
			if (!has_rows(table, s, m))
				continue;
			fprintf(to,
				"%s$rows_%d_%d with points pt %d lc %d "
				"title '%s, %s'",
				between, s, m, s == PAUSE_BOOTED ? 7 : 6, m + 1,
				pause_mode_names[m], pause_source_names[s]);
			between = ", ";
		}
	fprintf(to, "\n");
}

int pause_plot(const struct pause_table *table, const char *path,
	       struct vf_err *err)
{
	FILE *to;
	int ret = plot_open(&to, path, err);

	if (ret < 0)
		return ret;
	write_script(to, table);
	return plot_close(to, path, err);
}
