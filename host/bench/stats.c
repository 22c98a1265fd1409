// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "bench/stats.h"

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

void stats_sort(int64_t *samples, unsigned int num)
{
	if (num)
		qsort(samples, num, sizeof(*samples), compare);
}

int64_t stats_percentile(const int64_t *samples, unsigned int num,
			 unsigned int percent)
{
	unsigned int rank = (num * percent + 99) / 100;

	return num ? samples[rank ? rank - 1 : 0] : 0;
}

int64_t stats_mean(const int64_t *samples, unsigned int num)
{
	int64_t sum = 0;

	for (unsigned int i = 0; i < num; i++)
		sum += samples[i];
	return num ? sum / num : 0;
}

json_t *stats_pack(const int64_t *samples, unsigned int num)
{
	static const struct {
		const char *name;
		unsigned int percent;
	} ranks[] = {
		{ "min", 0 },  { "p50", 50 },  { "p90", 90 },
		{ "p99", 99 }, { "max", 100 },
	};
	json_t *json = json_pack("{s:i,s:I}", "n", (int)num, "mean",
				 (json_int_t)stats_mean(samples, num));

	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++)
		json_object_set_new(json, ranks[i].name,
				    json_integer(stats_percentile(
					    samples, num, ranks[i].percent)));
	return json;
}
