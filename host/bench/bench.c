// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/bench.h"
#include "bench/stats.h"
#include "bench/target.h"

void bench_init(struct bench *bench, const char *const *names, unsigned int num)
{
	*bench = (struct bench){ .num = num };
	for (unsigned int i = 0; i < num; i++)
		bench->series[i].name = names[i];
}

void bench_exit(struct bench *bench)
{
	for (unsigned int i = 0; i < bench->num; i++)
		free(bench->series[i].samples);
	bench->num = 0;
}

void bench_add(struct bench *bench, unsigned int series, int64_t us)
{
	struct bench_series *s = &bench->series[series];

	if (s->num == s->size) {
		unsigned int size = s->size ? 2 * s->size : 32;
		int64_t *grown = reallocarray(s->samples, size, sizeof(*grown));

		/* a sample that is lost shows in n */
		if (!grown)
			return;
		s->samples = grown;
		s->size = size;
	}
	s->samples[s->num++] = us;
}

int bench_csv(const struct bench *bench, const char *path, struct vf_err *err)
{
	__fclose FILE *file = fopen(path, "we");

	if (!file)
		return vf_err_errno(err, errno, "%s", path);
	fprintf(file, "variant,iteration,us\n");
	for (unsigned int i = 0; i < bench->num; i++)
		for (unsigned int k = 0; k < bench->series[i].num; k++)
			fprintf(file, "%s,%u,%lld\n", bench->series[i].name, k,
				(long long)bench->series[i].samples[k]);
	if (fflush(file) || ferror(file))
		return vf_err_errno(err, errno, "%s", path);
	return 0;
}

/* The first of a run pays for what all others find warm. */
static void series_drop_first(struct bench_series *s)
{
	if (s->num < 2)
		return;
	s->num--;
	memmove(s->samples, s->samples + 1, s->num * sizeof(*s->samples));
}

/* As stats_pack() has it, with the unit in each name. */
static json_t *series_pack(const struct bench_series *s)
{
	json_t *json = json_pack("{s:s,s:i,s:I}", "name", s->name, "n",
				 (int)s->num, "mean_us",
				 (json_int_t)stats_mean(s->samples, s->num));
	static const struct {
		const char *name;
		unsigned int percent;
	} ranks[] = {
		{ "min_us", 0 },  { "p50_us", 50 },  { "p90_us", 90 },
		{ "p99_us", 99 }, { "max_us", 100 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranks); i++)
		json_object_set_new(
			json, ranks[i].name,
			json_integer(stats_percentile(s->samples, s->num,
						      ranks[i].percent)));
	return json;
}

static double median(const struct bench_series *s)
{
	return (double)stats_percentile(s->samples, s->num, 50);
}

static json_t *limits_pack(const struct bench *bench,
			   const struct bench_kind *kind)
{
	struct targets targets = { 0 };

	for (unsigned int i = 0; i < kind->num_limits; i++) {
		const struct bench_limit *l = &kind->limits[i];
		const struct bench_series *s = &bench->series[l->of];

		target_add(&targets,
			   (double)stats_percentile(s->samples, s->num,
						    l->percent) /
				   1000,
			   " ms", (double)l->allowed_us / 1000, "%s", l->name);
	}
	return targets_pack(&targets);
}

json_t *bench_report(struct bench *bench, const struct bench_kind *kind)
{
	json_t *variants = json_array(), *quotients = json_array();

	for (unsigned int i = 0; i < bench->num; i++) {
		struct bench_series *s = &bench->series[i];

		series_drop_first(s);
		stats_sort(s->samples, s->num);
		json_array_append_new(variants, series_pack(s));
	}
	for (unsigned int i = 0; i < kind->num_ratios; i++) {
		const struct bench_ratio *r = &kind->ratios[i];
		double of = median(&bench->series[r->of]);
		double against = median(&bench->series[r->against]);

		json_array_append_new(
			quotients,
			json_pack("{s:s,s:f,s:f}", "name", r->name, "p50",
				  against > 0 ? of / against : 0.0, "allowed",
				  r->allowed));
	}
	return json_pack("{s:o,s:o,s:o,s:I}", "variants", variants, "ratios",
			 quotients, "targets", limits_pack(bench, kind),
			 "retaken", (json_int_t)bench->retaken);
}
