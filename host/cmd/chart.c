// SPDX-License-Identifier: MIT
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmd/chart.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MAX     1000
#define TEXT_WIDTH    30 /* before the bars */
#define BAR_MIN	      10
#define BARS_MAX      32
#define EIGHTHS	      8 /* of a cell, as block elements have them */

struct bar {
	const char *name;
	double from_us;
	double at_us;
};

struct bars {
	struct bar bar[BARS_MAX];
	unsigned int num;
	double end_us;
};

static unsigned int width_find(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = { 0 };
	unsigned long width;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	width = columns ? strtoul(columns, NULL, 10) : 0;
	return width && width <= WIDTH_MAX ? (unsigned int)width
					   : WIDTH_DEFAULT;
}

void chart_init(struct chart *chart)
{
	setlocale(LC_CTYPE, "");
	*chart = (struct chart){
		.out = stdout,
		.width = width_find(),
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
	};
}

/* Stages that were not reached have no bar. */
static void bars_collect(struct bars *bars, const json_t *fork)
{
	json_t *ends = json_object_get(fork, "timeline_us"), *at;
	const json_t *begins = json_object_get(fork, "began_us");
	const char *name;

	json_object_foreach(ends, name, at) {
		const json_t *from = json_object_get(begins, name);
		struct bar *bar = &bars->bar[bars->num];

		if (!json_is_integer(at) || bars->num == BARS_MAX)
			continue;
		bar->name = name;
		bar->at_us = json_number_value(at);
		bar->from_us = json_is_integer(from) ? json_number_value(from)
						     : bar->at_us;
		if (bar->at_us > bars->end_us)
			bars->end_us = bar->at_us;
		bars->num++;
	}
}

static int bar_compare(const void *a, const void *b)
{
	const struct bar *x = a, *y = b;

	if (x->from_us != y->from_us)
		return x->from_us < y->from_us ? -1 : 1;
	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? -1 : 1;
	return 0;
}

/* Where on the axis, in eighths of a cell. */
static unsigned int place(double at_us, double end_us, unsigned int cells)
{
	double share = end_us > 0 ? at_us / end_us : 0;

	if (share < 0)
		share = 0;
	return (unsigned int)(share * cells * EIGHTHS);
}

/* However short it was, it is seen: an eighth at least, or a cell in ASCII. */
static void bar_draw(const struct chart *chart, const struct bar *bar,
		     double end_us, unsigned int cells)
{
	/* U+258F to U+2588 in UTF-8 */
	static const char *const blocks[] = {
		"",
		"\xe2\x96\x8f",
		"\xe2\x96\x8e",
		"\xe2\x96\x8d",
		"\xe2\x96\x8c",
		"\xe2\x96\x8b",
		"\xe2\x96\x8a",
		"\xe2\x96\x89",
		"\xe2\x96\x88",
	};
	unsigned int from = place(bar->from_us, end_us, cells) / EIGHTHS;
	unsigned int at = place(bar->at_us, end_us, cells);
	unsigned int left;

	if (from >= cells)
		from = cells - 1;
	left = at > from * EIGHTHS ? at - from * EIGHTHS : 1;
	fprintf(chart->out, "%*s", (int)from, "");
	for (; left >= EIGHTHS; left -= EIGHTHS)
		fputs(chart->utf8 ? blocks[EIGHTHS] : "#", chart->out);
	if (chart->utf8)
		fputs(blocks[left], chart->out);
	else if (left > EIGHTHS / 2 || at / EIGHTHS == from)
		fputc('#', chart->out);
	fputc('\n', chart->out);
}

static void axis_print(const struct chart *chart, double end_us,
		       unsigned int cells)
{
	char end[32];

	snprintf(end, sizeof(end), "%.1f", end_us / 1000);
	fprintf(chart->out, "%-10s %8s %9s %-*s%s\n", "STAGE", "FROM/MS",
		"TOOK/MS", (int)(cells - strlen(end)), "0", end);
}

void chart_print(const struct chart *chart, const json_t *fork)
{
	struct bars bars = { 0 };
	unsigned int cells = BAR_MIN;

	if (chart->width > TEXT_WIDTH + BAR_MIN)
		cells = chart->width - TEXT_WIDTH;
	bars_collect(&bars, fork);
	qsort(bars.bar, bars.num, sizeof(bars.bar[0]), bar_compare);
	axis_print(chart, bars.end_us, cells);
	for (unsigned int i = 0; i < bars.num; i++) {
		const struct bar *bar = &bars.bar[i];

		fprintf(chart->out, "%-10s %8.1f %9.1f ", bar->name,
			bar->from_us / 1000,
			(bar->at_us - bar->from_us) / 1000);
		bar_draw(chart, bar, bars.end_us, cells);
	}
}
