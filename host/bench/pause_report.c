// SPDX-License-Identifier: MIT
/* Branches as rows and as distributions. pause.h holds the contract. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/pause.h"
#include "bench/rows.h"
#include "bench/stats.h"

static const char *const metric_names[PAUSE_METRIC_NUM] = {
	[PAUSE_US] = "pause_us",
	[PAUSE_GAP_US] = "gap_us",
	[PAUSE_CALM_US] = "calm_us",
	[PAUSE_BLIND_US] = "blind_us",
	[PAUSE_TRIP_US] = "round_trip_us",
	[PAUSE_READY_US] = "ready_us",
	[PAUSE_FORK_US] = "fork_us",
	[PAUSE_PRIVATE_BYTES] = "private_bytes",
	[PAUSE_WRITTEN_BYTES] = "bytes_written",
};

static const char method[] =
	"pause_us: between the engine's STOP and RESUME events. gap_us: the "
	"longest time in which the host saw no progress of a program that "
	"counts in the guest's memory, read every 0.1 ms, from the command's "
	"start until the snapshot was ready; calm_us: the same in the 100 ms "
	"before; blind_us: the longest time between two looks. round_trip_us: "
	"until the call returned; ready_us: until the snapshot was ready. "
	"fork_us: from a fork's beginning to its resumption. The first sample "
	"of each variant is left out.";

int pause_csv(const struct pause_table *table, const char *path,
	      struct vf_err *err)
{
	FILE *file;
	int ret = rows_csv_open(&file, path,
				"source,memory_mib,fill_mib,dirty_mib,workload,"
				"mode,taken,iteration",
				metric_names, PAUSE_METRIC_NUM, err);

	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < table->num; i++) {
		const struct pause_row *r = &table->rows[i];

		fprintf(file, "%s,%u,%u,%u,%s,%s,%s,%u",
			pause_source_names[r->source], r->memory_mib,
			r->fill_mib, r->dirty_mib, pause_work_names[r->work],
			pause_mode_names[r->mode], snapshot_mode_name(r->taken),
			r->iteration);
		rows_csv_values(file, r->value, PAUSE_METRIC_NUM, PAUSE_NONE);
	}
	return rows_csv_close(file, path, err);
}

static bool is_same(const struct pause_row *a, const struct pause_row *b)
{
	return a->source == b->source && a->memory_mib == b->memory_mib &&
	       a->dirty_mib == b->dirty_mib && a->work == b->work &&
	       a->mode == b->mode;
}

/* The first row of each variant stands for it; the others follow it. */
static bool is_first(const struct pause_table *table, unsigned int row)
{
	for (unsigned int i = 0; i < row; i++)
		if (is_same(&table->rows[i], &table->rows[row]))
			return false;
	return true;
}

/* What a variant came to: the name of a mode, or of several. */
static const char *taken_name(const struct pause_table *table,
			      const struct pause_row *first)
{
	for (unsigned int i = 0; i < table->num; i++)
		if (is_same(&table->rows[i], first) &&
		    table->rows[i].taken != first->taken)
			return "mixed";
	return snapshot_mode_name(first->taken);
}

static void add_metric(json_t *variant, const struct pause_table *table,
		       const struct pause_row *first, enum pause_metric metric,
		       int64_t *room)
{
	unsigned int num = 0;

	if (first->value[metric] == PAUSE_NONE)
		return;
	for (unsigned int i = 0; i < table->num; i++)
		if (table->rows[i].iteration && is_same(&table->rows[i], first))
			room[num++] = table->rows[i].value[metric];
	stats_sort(room, num);
	json_object_set_new(variant, metric_names[metric],
			    stats_pack(room, num));
}

json_t *pause_report(const struct pause_table *table)
{
	__free int64_t *room = calloc(table->num + 1, sizeof(*room));
	json_t *variants = json_array();

	for (unsigned int i = 0; room && i < table->num; i++) {
		const struct pause_row *r = &table->rows[i];
		json_t *variant;

		if (!is_first(table, i))
			continue;
		variant = json_pack("{s:s,s:i,s:i,s:i,s:s,s:s,s:s}", "source",
				    pause_source_names[r->source], "memory_mib",
				    (int)r->memory_mib, "fill_mib",
				    (int)r->fill_mib, "dirty_mib",
				    (int)r->dirty_mib, "workload",
				    pause_work_names[r->work], "mode",
				    pause_mode_names[r->mode], "taken",
				    taken_name(table, r));
		for (unsigned int m = 0; m < PAUSE_METRIC_NUM; m++)
			add_metric(variant, table, r, m, room);
		json_array_append_new(variants, variant);
	}
	return json_pack("{s:s,s:o}", "method", method, "variants", variants);
}
