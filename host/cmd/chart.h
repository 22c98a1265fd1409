/* SPDX-License-Identifier: MIT */
#ifndef VF_CMD_CHART_H
#define VF_CMD_CHART_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* What a chart is drawn on. */
struct chart {
	FILE *out;
	unsigned int width; /* of a line, characters */
	bool utf8;	    /* has block elements; else plain ASCII */
};

/**
 * chart_init() - A chart on standard output
 * @chart:	out: as wide as the terminal; where there is none as COLUMNS says,
 *		else 80; blocks where the locale has them
 */
void chart_init(struct chart *chart);

/**
 * chart_print() - Print a fork's stages as bars, in the order of their beginnings
 * @chart:	chart
 * @fork:	a fork's record, as fork_job_describe() makes it
 */
void chart_print(const struct chart *chart, const json_t *fork);

#endif
