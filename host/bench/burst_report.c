// SPDX-License-Identifier: MIT
/* Bursts as rows and as distributions. burst.h holds the contract. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "bench/burst.h"
#include "bench/rows.h"
#include "bench/stats.h"

static const char *const metric_names[BURST_METRIC_NUM] = {
	[BURST_WALL_US] = "wall_us",
	[BURST_RESUMED_P50_US] = "resumed_p50_us",
	[BURST_RESUMED_P90_US] = "resumed_p90_us",
	[BURST_RESUMED_MAX_US] = "resumed_max_us",
	[BURST_ACKED_P50_US] = "acked_p50_us",
	[BURST_ACKED_P90_US] = "acked_p90_us",
	[BURST_ACKED_MAX_US] = "acked_max_us",
	[BURST_CPU_ACKED_US] = "cpu_acked_us",
	[BURST_CPU_ENGINES_US] = "cpu_engines_us",
	[BURST_CPU_COMMAND_US] = "cpu_command_us",
	[BURST_PRIVATE_BYTES] = "private_bytes",
	[BURST_SHARED_BYTES] = "shared_bytes",
	[BURST_FAULTS_MINOR] = "faults_minor",
	[BURST_FAULTS_MAJOR] = "faults_major",
	[BURST_END_US] = "end_us",
};

static const char method[] =
	"Each burst is one command. resumed, acked: of its forks, from the "
	"request on; p50, p90 and max of one burst, whose distribution over "
	"bursts follows. wall_us: from the start of the command's process to "
	"its end; of the floor, until its last engine is resumed. "
	"cpu_acked_us: of all engines, each until it was acked; "
	"cpu_engines_us: until the command ended; cpu_command_us: of the "
	"command. Memory and faults: a fork's mean, when the command ended. "
	"end_us: to stop them all. ideal_us: the processor time of a burst's "
	"engines if each needed what a single one does until it is acked, over "
	"the number of processors. floor: the same command lines in a bare "
	"loop, without network and mail. none: not waited for; fork: until "
	"acked; at-once: the same, all resumed together; pool: of engines "
	"started ahead. Of a burst in which a fork failed, what not all came "
	"to is missing. The first iteration is left out.";

int burst_csv(const struct burst_table *table, const char *path,
	      struct vf_err *err)
{
	FILE *file;
	int ret = rows_csv_open(&file, path, "n,variant,iteration",
				metric_names, BURST_METRIC_NUM, err);

	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < table->num; i++) {
		const struct burst_row *r = &table->rows[i];

		fprintf(file, "%u,%s,%u", r->num,
			burst_variant_names[r->variant], r->iteration);
		rows_csv_values(file, r->value, BURST_METRIC_NUM,
				BURST_UNKNOWN);
	}
	return rows_csv_close(file, path, err);
}

static bool is_same(const struct burst_row *a, const struct burst_row *b)
{
	return a->num == b->num && a->variant == b->variant;
}

/* The first row that counts of each variant stands for it. */
static bool is_first(const struct burst_table *table, unsigned int row)
{
	for (unsigned int i = 0; i < row; i++)
		if (table->rows[i].iteration &&
		    is_same(&table->rows[i], &table->rows[row]))
			return false;
	return table->rows[row].iteration;
}

static void add_metric(json_t *variant, const struct burst_table *table,
		       const struct burst_row *first, enum burst_metric metric,
		       int64_t *room)
{
	unsigned int num = 0;

	for (unsigned int i = 0; i < table->num; i++) {
		const struct burst_row *r = &table->rows[i];

		if (r->iteration && is_same(r, first) &&
		    r->value[metric] != BURST_UNKNOWN)
			room[num++] = r->value[metric];
	}
	if (!num)
		return;
	stats_sort(room, num);
	json_object_set_new(variant, metric_names[metric],
			    stats_pack(room, num));
}

static json_t *variants_pack(const struct burst_table *table)
{
	__free int64_t *room = calloc(table->num + 1, sizeof(*room));
	json_t *variants = json_array();

	for (unsigned int i = 0; room && i < table->num; i++) {
		const struct burst_row *r = &table->rows[i];
		int64_t ideal_us = burst_ideal_us(table, r->num);
		json_t *variant;

		if (!is_first(table, i))
			continue;
		variant = json_pack(
			"{s:i,s:s,s:o}", "n", (int)r->num, "variant",
			burst_variant_names[r->variant], "ideal_us",
			ideal_us == BURST_UNKNOWN ? json_null()
						  : json_integer(ideal_us));
		for (unsigned int m = 0; m < BURST_METRIC_NUM; m++)
			add_metric(variant, table, r, m, room);
		json_array_append_new(variants, variant);
	}
	return variants;
}

json_t *burst_report(const struct burst_table *table)
{
	struct targets targets;

	burst_judge(table, &targets);
	return json_pack("{s:s,s:i,s:o,s:o}", "method", method, "cores",
			 (int)table->cores, "variants", variants_pack(table),
			 "targets", targets_pack(&targets));
}
