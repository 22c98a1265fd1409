// SPDX-License-Identifier: MIT
/* A plot of handoffs, drawn by gnuplot. ack.h holds the contract. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "bench/ack.h"
#include "bench/plot.h"
#include "bench/stats.h"

/* What stands on what: means, for only they add up. */
enum part { PART_SIGNAL, PART_MAIL, PART_APPLY, PART_ACK, PART_REST, PART_NUM };

static const char *const part_titles[PART_NUM] = {
	[PART_SIGNAL] = "until the signal",
	[PART_MAIL] = "mail",
	[PART_APPLY] = "apply",
	[PART_ACK] = "acknowledgement",
	[PART_REST] = "not told apart",
};

/* The mean of a metric in ms; 0 if it was not measured. */
static double mean(const struct ack_table *table, unsigned int variant,
		   enum ack_metric metric, int64_t *room)
{
	unsigned int num = ack_samples(table, variant, metric, room);

	return (double)stats_mean(room, num) / 1000;
}

/* The end of what is drawn: of a floor that is only looked at, when it is seen. */
static enum ack_metric last_of(const struct ack_table *table,
			       unsigned int variant)
{
	return ack_median(table, variant, ACK_RECONFIGURE_US) == ACK_UNKNOWN
		       ? ACK_SEEN_US
		       : ACK_RECONFIGURE_US;
}

static void write_bar(FILE *to, const struct ack_table *table,
		      unsigned int variant, int64_t *room)
{
	enum ack_metric last = last_of(table, variant);
	double part[PART_NUM], rest, mail;

	rest = mean(table, variant, last, room);
	mail = mean(table, variant, ACK_MAIL_US, room);
	part[PART_SIGNAL] = mean(table, variant, ACK_SIGNAL_US, room);
	part[PART_MAIL] = mail > part[PART_SIGNAL] ? mail - part[PART_SIGNAL]
						   : 0;
	part[PART_APPLY] = mean(table, variant, ACK_APPLY_US, room);
	part[PART_ACK] = mean(table, variant, ACK_ACK_US, room);
	for (int i = 0; i < PART_REST; i++)
		rest -= part[i];
	part[PART_REST] = rest > 0 ? rest : 0;
	fprintf(to, "\"%s\"", table->variants[variant].name);
	for (int i = 0; i < PART_NUM; i++)
		fprintf(to, " %.3f", part[i]);
	fprintf(to, " %.3f\n", (double)ack_median(table, variant, last) / 1000);
}

static void write_script(FILE *to, const struct ack_table *table, int64_t *room)
{
	fprintf(to, "set style data histograms\n"
		    "set style histogram rowstacked\n"
		    "set style fill solid 0.8 border -1\nset boxwidth 0.7\n"
		    "set grid y\nset key outside top horizontal\n"
		    "set xtics rotate by -40 noenhanced\n"
		    "set ylabel 'since the resumption, ms'\n"
		    "set yrange [0:*]\n$bars << END\n");
	for (unsigned int i = 0; i < table->num_variants; i++)
		if (ack_median(table, i, last_of(table, i)) != ACK_UNKNOWN)
			write_bar(to, table, i, room);
	fprintf(to, "END\nplot ");
	for (int i = 0; i < PART_NUM; i++)
		fprintf(to, "$bars using %d:xtic(1) lc %d title '%s', ", i + 2,
			i + 1, part_titles[i]);
	fprintf(to,
		"$bars using 0:%d with points pt 2 lc 'black' "
		"title 'median'\n",
		PART_NUM + 2);
}

int ack_plot(const struct ack_table *table, const char *path,
	     struct vf_err *err)
{
	__free int64_t *room = calloc(table->num + 1, sizeof(*room));
	FILE *to;
	int ret = room ? plot_open(&to, path, err)
		       : vf_err_errno(err, ENOMEM, "plot");

	if (ret < 0)
		return ret;
	write_script(to, table, room);
	return plot_close(to, path, err);
}
